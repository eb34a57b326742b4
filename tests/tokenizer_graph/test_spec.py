"""Parsing needs no TensorFlow."""

import subprocess
import sys

from tests.tokenizer_graph.spec.tokenizer_json import value


def test_parsing_needs_no_tensorflow():
    code = f"""
import sys
from tfmlm.tokenizer_graph.spec import parse
parse({value(normalizer={"type": "NFC"})!r})
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
