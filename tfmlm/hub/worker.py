"""The process that talks to the Hub: `python -m tfmlm.hub.worker`.

A process of its own can be killed when a Hub hangs, and has its own network settings; training is
not touched. It reads one JSON object from standard input (the token comes this way, so that it is
in no command line) and writes JSON lines: `{"moved": bytes}` while something moves, and at the end
`{"ok": {...}}` or `{"failed": {...}}`.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

from tfmlm.redaction import redact


class _Reporter:
    """Writes at most five lines a second; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0.0

    def moved(self, sent: int = 0) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._last >= 0.2:
                self._last = now
                self._write({"moved": sent})

    def end(self, answer: dict[str, Any]) -> None:
        with self._lock:
            self._write(answer)

    def _write(self, value: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # the parent is gone: finish all the same
            sys.stdout.write(json.dumps(value) + "\n")
            sys.stdout.flush()


def perform(request: dict[str, Any], reporter: _Reporter) -> dict[str, Any]:
    """Does what `request["action"]` says: `check` or `push`.

    Raises:
        HubFailure: it cannot be done.
    """
    from tfmlm.hub import http_transport
    from tfmlm.hub.checks import check
    from tfmlm.hub.folder import LocalFile
    from tfmlm.hub.remote import LastPush

    reporter.moved()  # the modules are loaded; from here on it is the Hub's time
    meter = http_transport.ProgressMeter(reporter.moved)
    http_transport.configure(request["endpoint"], float(request["timeout"]), meter)
    where = (request["endpoint"], request["repo_id"])
    token, branch = request["token"], request["branch"]
    if request["action"] == "check":
        return check(*where, token, private=request["private"], branch=branch)
    files = [LocalFile(**file) for file in request["files"]]
    last = LastPush(**request["last"]) if request["last"] else None
    transport = http_transport.HttpTransport(*where, branch, token)
    return asdict(transport.push(files, request["message"], last))


def main() -> None:
    request = json.load(sys.stdin)
    signal.alarm(int(request["hard_limit"]))  # also when the parent is no longer there to kill it
    reporter = _Reporter()
    try:
        reporter.end({"ok": perform(request, reporter)})
    except Exception as error:
        from tfmlm.hub.http_transport import classify

        failure = classify(error, request["endpoint"])
        answer = {
            k: redact(v, request["token"]) if k == "message" else v
            for k, v in failure.as_dict().items()
        }
        reporter.end({"failed": answer})


if __name__ == "__main__":
    main()
