"""Finds the command, parses its arguments, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import difflib
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from tfmlm._quiet import quieten_libraries
from tfmlm._version import __version__
from tfmlm.errors import TfmlmError

COMMANDS = (
    "demo",
    "train",
    "evaluate",
    "export",
    "inspect",
    "fill",
    "score",
    "batch",
    "serve",
    "push",
    "doctor",
)


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose usage errors are one line on stderr, with exit code 2."""

    commands: Mapping[str, argparse.ArgumentParser] = {}

    def error(self, message: str) -> NoReturn:
        message = " ".join(message.split())
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def available_commands() -> list[str]:
    """Names of the commands, in the order in which a newcomer meets them."""
    return [name for name in COMMANDS if importlib.util.find_spec(f"tfmlm.cli.{name}")]


def full_parser() -> argparse.ArgumentParser:
    """The parser with the arguments of all commands, for the documentation.

    Examples are literal blocks of reStructuredText, which Sphinx reads the texts as.
    """
    return build_parser(*available_commands(), example_heading="example::\n")


def build_parser(*commands_in_full: str | None, example_heading: str = "example:") -> OneLineParser:
    """The parser; only the commands named get their arguments, so that it is made at once."""
    parser = OneLineParser(
        prog="tfmlm",
        description="Masked language models in TensorFlow: train, export, serve, fill masks.",
        epilog="Start with:  tfmlm demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tfmlm {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    parser.commands = commands.choices
    for name in available_commands():
        module = importlib.import_module(f"tfmlm.cli.{name}")
        sub = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog="\n".join(
                [example_heading, *(f"  {line}" for line in module.EXAMPLE.splitlines())]
            ),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name in commands_in_full:
            module.add_arguments(sub)
            sub.add_argument(
                "--verbose", action="store_true", help="show TensorFlow's and transformers' logs"
            )
            sub.add_argument(
                "--debug", action="store_true", help="show the traceback of an error (and logs)"
            )
    return parser


def overview() -> str:
    """What `tfmlm` alone prints: the commands, in the order in which a newcomer meets them."""
    lines = []
    for name in available_commands():
        module = importlib.import_module(f"tfmlm.cli.{name}")
        lines.append(f"tfmlm {name:<10}{module.HELP}")
    return "\n".join([*lines, "", "tfmlm COMMAND --help shows an example and all flags"])


def check_words(parser: OneLineParser, arguments: Sequence[str], command: str | None) -> None:
    """Ends with one line where a command or a flag does not exist; it names the nearest one."""
    if command is None:
        return
    if command not in parser.commands:
        near = difflib.get_close_matches(command, parser.commands, 1)
        hint = f"; did you mean {near[0]}?" if near else f": {', '.join(parser.commands)}"
        parser.error(f"there is no command {command}{hint}")
    sub = parser.commands[command]
    known = sub._option_string_actions
    for word in arguments[arguments.index(command) + 1 :]:
        flag = word.split("=")[0]
        if word == "--":
            return
        if not word.startswith("--") or flag in known:
            continue
        visible = [f for f, action in known.items() if action.help != argparse.SUPPRESS]
        near = difflib.get_close_matches(flag, visible, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        sub.error(f"there is no flag {flag}{hint}")


def configure_logging(verbose: bool) -> None:
    """Silences native, absl, transformers and deprecation noise unless `verbose`."""
    import logging

    if verbose:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    quieten_libraries()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command. Returns 0 done, 1 the run failed, 2 user error, 3 not delivered."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        print(overview())
        return 0
    command = next((a for a in arguments if not a.startswith("-")), None)
    parser = build_parser(command)
    check_words(parser, arguments, command)
    args = parser.parse_args(arguments)
    configure_logging(args.verbose or args.debug)
    module = importlib.import_module(f"tfmlm.cli.{args.command}")
    try:
        return int(module.run(args) or 0)
    except KeyboardInterrupt:
        if args.debug:
            raise
        own_line = "\n" if sys.stderr.isatty() else ""  # the terminal has just shown ^C
        print(f"{own_line}tfmlm {args.command}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if args.debug:
            raise
        print(f"tfmlm {args.command}: error: {_one_line(error)}", file=sys.stderr)
        return error.exit_code if isinstance(error, TfmlmError) else 1


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, TfmlmError):
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if len(text) > 500:
        text = text[:500] + "…"
    return f"{type(error).__name__}: {text} (--debug shows where)"


if __name__ == "__main__":
    sys.exit(main())
