"""What was pushed comes back by name: in a second process, by revision, and offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfmlm.hub.push import push_folder

#: Online and offline alike: the model, the tokenizer and the files by name, and what `fill` says.
USE = """
import contextlib, io, json, sys
import numpy as np
import tfmlm
from huggingface_hub import snapshot_download
from tfmlm.cli.main import main
from transformers import TFAutoModelForMaskedLM

def command(*arguments):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert not main([*arguments, "--json"])
    return json.loads(said.getvalue())

name, out, *export = sys.argv[1:]
text = "the [MASK] sat on the mat"
ids = tfmlm.load_tokenizer(name)(text, return_tensors="tf")
graph = tfmlm.GraphTokenizer.from_pretrained(name, revision="v1")
assert graph.tokenize([text]).to_list() == ids["input_ids"].numpy().tolist()
models = {
    "stock": TFAutoModelForMaskedLM.from_pretrained(name, revision="v1"),
    "ours": tfmlm.load_model(name, "v1"),
    "main": tfmlm.load_model(name),
}
np.savez(out, **{key: model(ids).logits.numpy() for key, model in models.items()})
if export:
    command("export", "--model_name_or_path", name, "--revision", "v1", "--export_dir", *export)
    filled = command("fill", name, text, "--revision", "v1")
else:
    filled = command("fill", name, text)
print(json.dumps({"files": snapshot_download(name, revision="v1"), "filled": filled}))
"""


def use(tmp_path, *export, **environment):
    """What the process says, and the logits by the way the model was loaded."""
    out = tmp_path / "logits.npz"
    done = subprocess.run(
        [sys.executable, "-c", USE, "ada/model", out, *export],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), np.load(out)


@pytest.fixture
def logits(finished):
    from transformers import TFAutoModelForMaskedLM

    import tfmlm

    ids = tfmlm.load_tokenizer(finished)("the [MASK] sat on the mat", return_tensors="tf")
    return TFAutoModelForMaskedLM.from_pretrained(finished)(ids).logits.numpy()


def test_a_private_model_comes_back_by_name_revision_and_offline(hub, folder, tmp_path, logits):
    done = push_folder(folder, "ada/model", hub_private_repo=True, hub_revision="v1")
    hub.repositories["ada/model"].move("main", "refs/heads/v1")
    online, pulled = use(tmp_path, str(tmp_path / "export"))
    for name in done.files:
        assert (Path(online["files"]) / name).read_bytes() == (folder / name).read_bytes()
    assert set(pulled) == {"stock", "ours", "main"}
    for found in pulled.values():
        np.testing.assert_array_equal(found, logits)
    assert (tmp_path / "export" / "1" / "saved_model.pb").exists()
    hub.stop()
    offline, again = use(tmp_path, HF_HUB_OFFLINE="1")
    for found in again.values():
        np.testing.assert_array_equal(found, logits)
    assert offline == online and online["filled"]
