"""Finds the command, parses its arguments, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from tfmlm._quiet import quieten_tensorflow_import
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


def build_parser(
    *commands_in_full: str | None, example_heading: str = "example:"
) -> argparse.ArgumentParser:
    """The parser; only the commands named get their arguments, so that it is made at once."""
    parser = OneLineParser(
        prog="tfmlm",
        description="Masked language models in TensorFlow: train, export, serve, fill masks.",
        epilog="Start with:  tfmlm demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tfmlm {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
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


def configure_logging(verbose: bool) -> None:
    """Silences native, absl, transformers and deprecation noise unless `verbose`."""
    import logging
    import warnings

    if verbose:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    quieten_tensorflow_import()
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DATASETS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    for name in (
        "tensorflow",
        "absl",
        "tf_keras",
        "transformers",
        "datasets",
        "huggingface_hub",
        "matplotlib",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command. Returns 0 done, 1 the run failed, 2 user error, 3 not delivered."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((a for a in arguments if not a.startswith("-")), None)
    args = build_parser(command).parse_args(arguments)
    configure_logging(args.verbose or args.debug)
    module = importlib.import_module(f"tfmlm.cli.{args.command}")
    try:
        return int(module.run(args) or 0)
    except KeyboardInterrupt:
        if args.debug:
            raise
        print(f"tfmlm {args.command}: interrupted", file=sys.stderr)
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
