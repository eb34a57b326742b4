"""What native libraries write while they load is held back, unless loading fails."""

from __future__ import annotations

from tests.test_setup import python


def test_the_quiet_import_is_silent_and_shows_failures() -> None:
    quiet = "from tfmlm._quiet import quieten_tensorflow_import as q; q(); import tensorflow"
    assert python(quiet, TF_CPP_MIN_LOG_LEVEL="3").stderr == ""
    failing = (
        "import os\nfrom tfmlm._quiet import stderr_held_back\n"
        "with stderr_held_back():\n    os.write(2, b'why it failed'); raise SystemExit(1)"
    )
    assert "why it failed" in python(failing).stderr
