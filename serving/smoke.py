#!/usr/bin/env python3
"""Checks that a server answers as it must, whatever it is: TensorFlow Serving or `tfmlm serve`.

    python serving/smoke.py http://localhost:8501/v1/models/mlm
    python serving/smoke.py http://localhost:8501/v1/models/mlm/labels/canary --grpc localhost:8500

Needs nothing but Python for REST; --grpc needs tfmlm. Prints a line for each check; exits with 0 if
all passed, 1 if one failed, 2 if the address is wrong. Sends fewer than 30 requests.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

MASK_TOKENS = ["[MASK]", "<mask>", "<|mask|>", "[mask]", "<special1>", "__mask__"]


class Failed(Exception):
    """A check that did not pass."""


def expect(condition: Any, message: str) -> None:
    if not condition:
        raise Failed(message)


class Rest:
    """The model's REST address."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url, self.timeout = url, timeout

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and parsed JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                return error.code, json.loads(text)
            except ValueError:
                raise Failed(f"HTTP {error.code} without JSON: {text[:100]!r}") from None
        except (OSError, ValueError) as error:
            raise Failed(f"no answer: {error}") from None

    def predict(self, body: Any) -> Any:
        status, reply = self.ask(":predict", body)
        expect(status == 200, f"HTTP {status}: {reply}")
        return reply


class Smoke:
    """The checks, in order; `mask` is found by the first one that needs it."""

    def __init__(self, rest: Rest, grpc: str | None) -> None:
        self.rest, self.grpc = rest, grpc
        self.mask = ""
        self.top: list[str] = []

    def status_says_available(self) -> str:
        status, reply = self.rest.ask("")
        expect(status == 200, f"HTTP {status}: {reply}")
        states = {v["version"]: v["state"] for v in reply["model_version_status"]}
        expect("AVAILABLE" in states.values(), f"no version is available: {states}")
        return ", ".join(f"version {v} {s}" for v, s in states.items())

    def metadata_lists_the_signatures(self) -> str:
        status, reply = self.rest.ask("/metadata")
        expect(status == 200, f"HTTP {status}: {reply}")
        found = set(reply["metadata"]["signature_def"]["signature_def"])
        wanted = {"serving_default", "fill_mask_top_k", "fill_mask_targets", "tokenize"}
        expect(wanted <= found, f"missing: {sorted(wanted - found)}")
        return f"version {reply['model_spec']['version']}"

    def a_mask_is_filled(self) -> str:
        outputs = self.rest.predict({"inputs": MASK_TOKENS})["outputs"]
        masks = [t for t, n in zip(MASK_TOKENS, outputs["mask_count"], strict=True) if n == 1]
        expect(masks, "none of the usual mask tokens is one for this model")
        self.mask = masks[0]
        text = f"Paris is the {self.mask} of France."
        (row,) = self.rest.predict({"instances": [text]})["predictions"]
        expect(row["status"] == "ok" and row["mask_count"] == 1, f"status {row['status']!r}")
        (scores,) = row["score"]
        expect(all(0 <= s <= 1 and math.isfinite(s) for s in scores), f"scores {scores}")
        expect(scores == sorted(scores, reverse=True), f"not sorted: {scores}")
        (self.top,) = row["token_str"]
        expect(self.mask not in row["filled"], f"filled: {row['filled']!r}")
        return row["filled"]

    def rows_do_not_depend_on_their_neighbours(self) -> str:
        texts = [f"Paris is the {self.mask} of France.", "nothing", f"{self.mask} {self.mask}", ""]
        rows = self.rest.predict({"instances": texts})["predictions"]
        expect([r["status"] for r in rows] == ["ok", "no_mask", "ok", "no_mask"], str(rows)[:300])
        expect(rows[0]["token_str"][0] == self.top, f"{rows[0]['token_str'][0]} after {self.top}")
        expect(rows[2]["mask_count"] == 2, f"mask_count {rows[2]['mask_count']}")
        return "4 texts in one request"

    def number_of_candidates(self) -> str:
        body = {
            "signature_name": "fill_mask_top_k",
            "instances": [{"text": f"The {self.mask}.", "top_k": k} for k in (1, 3)],
        }
        rows = self.rest.predict(body)["predictions"]
        counts = [sum(token >= 0 for token in row["token"][0]) for row in rows]
        expect(counts == [1, 3], f"1 and 3 asked for, {counts} came")
        return "1 and 3"

    def targets(self) -> str:
        words = [word.strip() for word in self.top[:2]]
        body = {
            "signature_name": "fill_mask_targets",
            "inputs": {"text": [f"Paris is the {self.mask} of France."], "targets": [words]},
        }
        outputs = self.rest.predict(body)["outputs"]
        got = [w.strip() for w in outputs["token_str"][0][0] if w]
        expect(set(got) == set(words), f"asked for {words}, got {got}")
        return ", ".join(got)

    def unusual_text(self) -> str:
        text = f'"{self.mask}" \u00fc\U0001f600\x01\\n'
        (row,) = self.rest.predict({"instances": [text]})["predictions"]
        expect(row["status"] == "ok", f"status {row['status']!r}")
        binary = {"inputs": [{"b64": "/w=="}]}  # one byte that is no UTF-8
        expect(self.rest.predict(binary)["outputs"]["status"] == ["no_mask"], "binary text")
        return "escapes, an emoji, a control character, a byte that is no UTF-8"

    def mistakes_are_refused(self) -> str:
        for body, code in ((b"{", 400), ({"instances": []}, 400), ({"instances": [1]}, 400)):
            status, reply = self.rest.ask(":predict", body)
            expect(status == code and "error" in reply, f"{body!r}: HTTP {status} {reply}")
        status, reply = self.rest.ask(
            ":predict", {"signature_name": "no_such_signature", "instances": ["a"]}
        )
        expect(status in (400, 404) and "error" in reply, f"HTTP {status} {reply}")
        return "400 with an error message"

    def grpc_gives_the_same(self) -> str:
        from tfmlm.client import GrpcClient

        found = re.search(r"/models/([^/]+)(?:/versions/(\d+)|/labels/([^/]+))?$", self.rest.url)
        assert found and self.grpc
        version = int(found[2]) if found[2] else None
        with GrpcClient(self.grpc, found[1], version=version, label=found[3]) as client:
            fills = client.fill(f"Paris is the {self.mask} of France.")
        got = [fill["token_str"] for fill in fills]
        expect(got == self.top, f"REST {self.top}, gRPC {got}")
        return ", ".join(got)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("url", help="http://host:port/v1/models/NAME[/versions/N|/labels/LABEL]")
    parser.add_argument("--grpc", metavar="HOST:PORT", help="compare with this gRPC address")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for one request")
    arguments = parser.parse_args()
    url = arguments.url.rstrip("/")
    if not re.fullmatch(r"https?://.+/v1/models/[^/:]+(/versions/\d+|/labels/[^/:]+)?", url):
        parser.error(f"not the address of a model: {arguments.url}")
    smoke = Smoke(Rest(url, arguments.timeout), arguments.grpc)
    checks: list[Callable[[], str]] = [
        smoke.status_says_available,
        smoke.metadata_lists_the_signatures,
        smoke.a_mask_is_filled,
        smoke.rows_do_not_depend_on_their_neighbours,
        smoke.number_of_candidates,
        smoke.targets,
        smoke.unusual_text,
        smoke.mistakes_are_refused,
        *([smoke.grpc_gives_the_same] if arguments.grpc else []),
    ]
    for check in checks:
        name = check.__name__.replace("_", " ")
        try:
            print(f"ok      {name}: {check()}")
        except (Failed, KeyError, IndexError, TypeError, ValueError) as error:
            detail = error if isinstance(error, Failed) else f"unexpected answer ({error!r})"
            print(f"FAILED  {name}: {detail}")
            return 1
        except Exception as error:
            print(f"FAILED  {name}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
