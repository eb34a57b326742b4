"""What `import tfmlm` settles, and what it says where it comes too late."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "GRPC_"))}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=kept | environment
    )


def test_tf_keras_is_selected_before_tensorflow() -> None:
    done = python("import tfmlm, tensorflow as tf; print(tf.keras.Model.__module__)")
    assert done.stdout.startswith("tf_keras."), done.stderr


def test_keras_3_in_use_is_reported_in_one_line() -> None:
    done = python("import tensorflow as tf; tf.keras.Model; import tfmlm")
    lines = [line for line in done.stderr.splitlines() if "tfmlm was imported after" in line]
    assert len(lines) == 1, done.stderr
    assert "import tfmlm before tensorflow" in lines[0]


@pytest.mark.parametrize("first", ["import tensorflow", "import tensorflow, tf_keras"])
def test_tensorflow_alone_before_tfmlm_is_fine(first: str) -> None:
    done = python(f"{first}; import tfmlm; import tensorflow as tf; print(tf.keras.__name__)")
    assert "tfmlm was imported after" not in done.stderr
    assert done.stdout.startswith("tf_keras"), done.stderr


def test_importing_tfmlm_loads_nothing_heavy() -> None:
    done = python(
        "import sys, tfmlm\n"
        "print([m for m in ('tensorflow', 'transformers', 'numpy') if m in sys.modules])"
    )
    assert done.stdout == "[]\n"
