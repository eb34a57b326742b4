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

PULL = """
import json, sys
import tfmlm
from huggingface_hub import snapshot_download
from transformers import TFAutoModelForMaskedLM

name, revision, out = sys.argv[1], sys.argv[2] or None, sys.argv[3]
stock = TFAutoModelForMaskedLM.from_pretrained(name, revision=revision)
model = tfmlm.load_model(name, revision)
tokenizer = tfmlm.load_tokenizer(name, revision)
graph = tfmlm.GraphTokenizer.from_pretrained(name, revision=revision)
text = "the [MASK] sat on the mat"
ids = tokenizer(text, return_tensors="tf")
assert graph.tokenize([text]).to_list() == ids["input_ids"].numpy().tolist()
import numpy as np
np.savez(out, stock=stock(ids).logits.numpy(), ours=model(ids).logits.numpy())
print(json.dumps(snapshot_download(name, revision=revision)))
"""


def pull(tmp_path, revision="", **environment):
    out = tmp_path / "logits.npz"
    done = subprocess.run(
        [sys.executable, "-c", PULL, "ada/model", revision, out],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), np.load(out)


def tfmlm(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "tfmlm", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture
def logits(finished):
    from transformers import TFAutoModelForMaskedLM

    import tfmlm

    ids = tfmlm.load_tokenizer(finished)("the [MASK] sat on the mat", return_tensors="tf")
    return TFAutoModelForMaskedLM.from_pretrained(finished)(ids).logits.numpy()


def test_a_private_model_comes_back_by_name_revision_and_offline(hub, folder, tmp_path, logits):
    done = push_folder(folder, "ada/model", hub_private_repo=True, hub_revision="v1")
    cache, pulled = pull(tmp_path, "v1")
    for name in done.files:
        assert (Path(cache) / name).read_bytes() == (folder / name).read_bytes()
    np.testing.assert_array_equal(pulled["stock"], logits)
    np.testing.assert_array_equal(pulled["ours"], logits)
    exported = tfmlm(
        "export",
        "--model_name_or_path",
        "ada/model",
        "--revision",
        "v1",
        "--export_dir",
        tmp_path / "export",
        "--json",
    )
    assert (tmp_path / "export" / "1" / "saved_model.pb").exists(), exported.stderr
    hub.repositories["ada/model"].git("update-ref", "refs/heads/main", "refs/heads/v1")
    filled = json.loads(tfmlm("fill", "ada/model", "the [MASK] sat", "--json").stdout)
    assert filled
    tagged = ("fill", "ada/model", "the [MASK] sat", "--json", "--revision", "v1")
    assert json.loads(tfmlm(*tagged).stdout)
    hub.stop()
    again = tfmlm("fill", "ada/model", "the [MASK] sat", "--json", HF_HUB_OFFLINE="1")
    assert json.loads(again.stdout) == filled
    _, offline = pull(tmp_path, "v1", HF_HUB_OFFLINE="1")
    np.testing.assert_array_equal(offline["ours"], logits)
