"""`PushToHub` in a run of two real worker processes: the chief alone saves and pushes."""

from __future__ import annotations

import os

import numpy as np

from tests.hub.small import TOKEN
from tests.hub_server import LoopbackHub
from tests.training.processes import finish, start, tf_configs

WORKER = """
import sys
import tfmlm
import tensorflow as tf
import numpy as np
from tests.hub.small import make_data, make_model, make_tokenizer

strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    model = make_model()
callback = tfmlm.PushToHub(
    sys.argv[1], "steps", 3, tokenizer=make_tokenizer(), hub_model_id="ada/model"
)
model.fit(make_data(4), epochs=2, verbose=0, callbacks=[callback])
assert callback.delivered is True, callback.undelivered
np.savez(sys.argv[2], *model.get_weights())
print("chief" if callback.is_chief else "worker", "is done after", callback.steps, "steps")
"""


def test_two_workers_push_once(hub, tmp_path):
    from transformers import TFBertForMaskedLM

    out = tmp_path / "out"
    kept = {"HOME": os.environ["HOME"], "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0"}
    with LoopbackHub(tmp_path / "hub of worker 1") as other:
        other.add_user("ada", TOKEN)
        processes = [
            start(
                ["-c", WORKER, str(out), str(tmp_path / f"{number}.npz")],
                TF_CONFIG=config,
                HF_ENDPOINT=where.url,
                **kept,
            )
            for number, (config, where) in enumerate(zip(tf_configs(2), (hub, other), strict=True))
        ]
        ended = [finish(process) for process in processes]
        assert [code for code, _ in ended] == [0, 0], ended
        assert other.requests == [], "the second worker asked the Hub for something"
    said = [output.splitlines()[-1] for _, output in ended]
    assert said == ["chief is done after 8 steps", "worker is done after 8 steps"]

    files = hub.content("ada/model")
    del files[".gitattributes"]
    assert all((out / path).read_bytes() == content for path, content in files.items())
    assert {"model.safetensors", "tokenizer.json", "README.md"} <= set(files)
    pushed = TFBertForMaskedLM.from_pretrained(out).get_weights()
    for number in (0, 1):  # the workers ended with the same weights, and these are on the Hub
        with np.load(tmp_path / f"{number}.npz") as weights:
            for mine, theirs in zip(weights.values(), pushed, strict=True):
                np.testing.assert_array_equal(mine, theirs)
