"""`PushToHub` beside Keras' `fit`."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from transformers.keras_callbacks import PushToHubCallback

import tfmlm
from tests.hub.small import TOKEN, make_data, make_model
from tests.small_models import small_model
from tfmlm.checkpoint.optimizer_state import load_optimizer_state
from tfmlm.errors import NotDeliveredError, UserError
from tfmlm.hub.delivery import Backoff
from tfmlm.hub.push import push_folder

QUICK = Backoff(3, 0.05, 0.1)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture(scope="module")
def model():
    """One for all tests: its training function is traced once."""
    return make_model()


@pytest.fixture
def push(hub, out, tokenizer):
    """Makes a callback for ada/model."""

    def make(**options):
        options = {"tokenizer": tokenizer, "hub_model_id": "ada/model", "backoff": QUICK, **options}
        return tfmlm.PushToHub(out, **options)

    return make


def fit(model, *callbacks, epochs=2, batches=2, **options):
    return model.fit(
        make_data(batches), epochs=epochs, callbacks=list(callbacks), verbose=0, **options
    )


def same_files(hub, out, repo_id="ada/model"):
    files = hub.content(repo_id)
    del files[".gitattributes"]
    assert len(files) >= 6
    return all((out / path).read_bytes() == content for path, content in files.items())


def test_it_is_a_push_to_hub_callback_that_saves_and_delivers(hub, out, push, model):
    callback = push()
    assert isinstance(callback, PushToHubCallback)
    assert callback.delivered is None
    fit(model, callback)
    assert callback.delivered is True and callback.undelivered is None
    assert same_files(hub, out)
    assert hub.repositories["ada/model"].log()[0] == "End of training"
    assert {p.name for p in out.iterdir()} == {
        ".tfmlm-hub.json",
        "README.md",
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    }


def test_the_stock_callbacks_arguments_by_position_and_its_card_arguments(hub, out, model):
    callback = tfmlm.PushToHub(
        out, "no", None, None, "ada/model", TOKEN, False, language="de", license="mit", tags="news"
    )
    fit(model, callback, epochs=1)
    card = hub.content("ada/model")["README.md"].decode()
    for line in ("language:\n- de", "license: mit", "- news", "Berlin ist die [MASK]"):
        assert line in card


def test_an_architecture_of_ours_arrives_whole(hub, out, push):
    """ModernBERT: the card's tags, what the folder holds, and the same logits when it is back."""
    own = small_model("modernbert", vocab_size=64)
    own.compile(optimizer=tf.keras.optimizers.legacy.Adam(1e-3))
    fit(own, push(), epochs=1)
    assert same_files(hub, out)
    content = hub.content("ada/model")
    assert json.loads(content["config.json"])["architectures"] == ["ModernBertForMaskedLM"]
    card = content["README.md"].decode()
    assert "pipeline_tag: fill-mask" in card and "import tfmlm" in card
    ids = {"input_ids": np.arange(5, 15, dtype=np.int32)[None]}
    expected = own(ids).logits.numpy()
    np.testing.assert_array_equal(tfmlm.load_model(str(out))(ids).logits.numpy(), expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"save_strategy": "sometimes"}, "save_strategy 'sometimes' is not one of epoch"),
        ({"save_strategy": "steps"}, "needs save_steps"),
        ({"save_strategy": "steps", "save_steps": 0}, "needs save_steps"),
        ({"save_strategy": "steps", "save_steps": True}, "needs save_steps"),
    ],
)
def test_wrong_settings(hub, push, options, said):
    with pytest.raises(UserError, match=said):
        push(**options)
    assert hub.requests == []


def test_the_strategy_no_saves_once(push, model, monkeypatch):
    callback = push(save_strategy="no")
    saves = []
    save = callback.save
    monkeypatch.setattr(callback, "save", lambda: (saves.append(1), save()))
    fit(model, callback, epochs=3)
    assert len(saves) == 1 and callback.delivered


@pytest.mark.parametrize(("per_execution", "due"), [(1, [4, 8, 12]), (3, [6, 9, 12])])
def test_steps_are_counted_over_the_run(push, model, monkeypatch, per_execution, due):
    if per_execution > 1:
        model = make_model()
        model.compile(optimizer="sgd", steps_per_execution=per_execution)
    callback = push(save_strategy="steps", save_steps=4)
    at = []
    monkeypatch.setattr(callback, "push", lambda message: at.append(callback.steps))
    fit(model, callback, epochs=4, batches=3)
    assert at == due and callback.steps == 12


def test_steps_of_a_run_that_is_resumed_within_an_epoch(push, monkeypatch):
    callback = push(save_strategy="steps", save_steps=4)
    callback.steps = 10
    at = []
    monkeypatch.setattr(callback, "push", lambda message: at.append(callback.steps))
    for batch in (5, 6, 7):  # the steps of this epoch that were left
        callback.on_train_batch_begin(batch)
        callback.on_train_batch_end(batch)
    assert at == [12] and callback.steps == 13


def test_steps_go_on_where_a_resumed_run_begins(push, model, monkeypatch):
    callback = push(save_strategy="steps", save_steps=4)
    callback.steps = 3
    at = []
    monkeypatch.setattr(callback, "push", lambda message: at.append(callback.steps))
    fit(model, callback, epochs=1, batches=2)
    assert at == [4]


def test_only_the_chief_saves_and_pushes(hub, out, push, model, monkeypatch):
    cluster = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}
    for task, chief in (("worker", 0), True), (("worker", 1), False):
        config = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        assert push().is_chief is chief
        hub.requests.clear()
    fit(model, push())
    assert hub.requests == [] and [p.name for p in out.iterdir()] == [".tfmlm-hub.json"]
    with_chief = {"cluster": {**cluster, "chief": ["127.0.0.1:3"]}}
    for kind, index, chief in (("chief", 0, True), ("worker", 0, False)):
        config = {**with_chief, "task": {"type": kind, "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        assert push().is_chief is chief
    for kind in "ps", "evaluator":
        config = {"cluster": {**cluster, kind: ["127.0.0.1:4"]}, "task": {"type": kind, "index": 0}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        assert push().is_chief is False
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(UserError, match="TF_CONFIG is not understood"):
        push()
    monkeypatch.delenv("TF_CONFIG")
    slurm = {"STEP_NUM_TASKS": "2", "STEP_NODELIST": "n[1-2]", "STEP_TASKS_PER_NODE": "1(x2)"}
    for name, value in slurm.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    for number, chief in ("0", True), ("1", False):
        monkeypatch.setenv("SLURM_PROCID", number)
        assert push().is_chief is chief
        monkeypatch.delenv("SLURM_PROCID")
    assert push(is_chief=False).finish() is True


def test_one_callback_serves_two_runs(hub, out, push, model):
    callback = push()
    for _ in range(2):
        fit(model, callback, epochs=1)
        assert callback.delivered is True and same_files(hub, out)


def test_a_second_run_into_the_same_folder_goes_on(hub, out, push, model):
    fit(model, push(), epochs=1)
    fit(model, push(), epochs=1)
    assert same_files(hub, out)
    assert hub.repositories["ada/model"].log()[-1] == "initial commit"


def test_a_run_goes_on_in_a_folder_that_others_use_with_another_token(hub, out, push, model):
    """Files of mine, a commit of somebody else in between, a token that was changed."""
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    fit(model, push(), epochs=1)
    hub.commit_as_someone_else("ada/model", {"CITATION.cff": b"cite"})
    hub.users.clear()
    hub.add_user("ada", "hf_AdasOtherTokenForTests987654321")
    fit(model, push(hub_token="hf_AdasOtherTokenForTests987654321"), epochs=1)
    assert (out / "notes.txt").read_text() == "mine"
    assert hub.content("ada/model")["CITATION.cff"] == b"cite"
    assert hub.content("ada/model")["model.safetensors"] == (out / "model.safetensors").read_bytes()


def test_a_push_that_is_under_way_at_the_end_is_waited_for(hub, out, push, model):
    callback = push(hub_timeout=60.0)
    go_on = threading.Event()
    hub.fault("commit", "delay", until=go_on)
    last_epoch = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: threading.Timer(1, go_on.set).start() if epoch else None
    )
    fit(model, last_epoch, callback)
    assert callback.delivered is True and same_files(hub, out)


def test_a_hub_that_hangs_does_not_hold_training(hub, push, model):
    callback = push(hub_timeout=3.0)
    hub.fault("commit", "freeze", times=1000)
    fit(model, callback)
    assert callback.delivered is False and "did not answer for 3 s" in callback.undelivered


def test_a_dead_hub_is_said_in_one_line_and_the_command_delivers(hub, out, push, model, caplog):
    callback = push()
    hub.stop()
    fit(model, callback)
    line = callback.undelivered
    assert callback.delivered is False and "\n" not in line
    assert line in caplog.messages
    assert line.endswith(f"send it with: tfmlm push {out} --hub_model_id ada/model")
    with pytest.raises(NotDeliveredError) as caught:
        callback.raise_if_undelivered()
    assert str(caught.value) == line and caught.value.exit_code == 3
    hub.start()
    push_folder(out)
    assert same_files(hub, out)


def test_a_hub_that_comes_back_gets_the_last_epoch(hub, out, push, model):
    callback = push(backoff=Backoff(20, 0.2, 0.5))
    hub.stop()
    back = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: hub.start() if epoch == 1 else None
    )
    fit(model, callback, back)
    assert callback.delivered is True and same_files(hub, out)


def test_finish_is_left_to_the_caller_who_writes_more_files(hub, out, push, model, caplog):
    callback = push(finish_on_train_end=False)
    fit(model, callback, epochs=1)
    assert callback.delivered is None
    (out / "eval_results.json").write_text("{}")
    assert callback.finish(save=False) is True
    assert hub.content("ada/model")["eval_results.json"] == b"{}"
    callback.raise_if_undelivered()
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_what_cannot_be_copied_does_not_stop_training(hub, out, push, model):
    out.mkdir()
    (out / "mine.pkl").write_bytes(b"pickle")
    callback = push(include=["*.pkl"])
    fit(model, callback)
    assert callback.delivered is False and "may be a pickle" in callback.undelivered
    assert (out / "model.safetensors").exists() and "mine.pkl" not in hub.content("ada/model")


def test_training_that_breaks_leaves_the_last_checkpoint(hub, out, push, model):
    def fail(epoch, logs):
        if epoch == 1:
            raise RuntimeError("out of memory")

    weights = {}
    remember = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.update({epoch: model.get_weights()})
    )
    breaks = tf.keras.callbacks.LambdaCallback(on_epoch_end=fail)
    callback = push()
    with pytest.raises(RuntimeError, match="out of memory"):
        fit(model, callback, remember, breaks)
    stored = type(model).from_pretrained(out)
    for mine, theirs in zip(weights[1], stored.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert callback.delivered is None
    callback.settle()
    assert callback.delivered is True and same_files(hub, out)


BREAKS = """
import sys
import tensorflow as tf
import tfmlm
from tests.hub.small import make_data, make_model, make_tokenizer

def fail(epoch, logs):
    if epoch == 1:
        raise RuntimeError("out of memory")

push = tfmlm.PushToHub(sys.argv[1], tokenizer=make_tokenizer(), hub_model_id="ada/model")
breaks = tf.keras.callbacks.LambdaCallback(on_epoch_end=fail)
make_model().fit(make_data(2), epochs=3, verbose=0, callbacks=[push, breaks])
"""


def test_a_process_that_ends_with_an_exception_says_what_became_of_the_push(hub, out):
    # the first epoch's push is under way and the second one's waits when the exception comes
    hub.fault("commit", "delay", seconds=3)
    done = subprocess.run(
        [sys.executable, "-c", BREAKS, out],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    address = f"{hub.url}/ada/model"
    *_, error, waiting, last = done.stderr.splitlines()
    assert error == "RuntimeError: out of memory"
    assert waiting == f"training ended early; waiting for the push to {address} (Ctrl-C leaves it)"
    assert last == f"the last checkpoint of the run is at {address}"
    assert same_files(hub, out)
    assert hub.repositories["ada/model"].log()[0] == "Training in progress, epoch 2"


def test_what_did_not_arrive_when_a_run_ends_early_is_said(hub, out, push, model, caplog):
    hub.fault("commit", "status", times=100, status=403, message="storage is full")
    callback = push(finish_on_train_end=False)
    fit(model, callback, epochs=1)
    callback.settle()
    assert callback.delivered is False and callback.undelivered == caplog.messages[-1]
    assert "storage is full" in callback.undelivered
    assert callback.undelivered.endswith(f"tfmlm push {out} --hub_model_id ada/model")


def test_ctrl_c_leaves_a_push_that_is_under_way(hub, push, model, monkeypatch, caplog):
    hub.fault("commit", "freeze")
    callback = push(finish_on_train_end=False)
    fit(model, callback, epochs=1)

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(callback._pusher, "wait", interrupted)
    callback.settle()
    assert callback.delivered is False and callback.undelivered == caplog.messages[-1]
    assert "the push was left before its end" in callback.undelivered
    monkeypatch.undo()
    hub.thaw()
    callback._pusher.wait()


def test_the_optimizers_state_comes_back(hub, out, push, model, tokenizer):
    fit(model, push(checkpoint=True))
    assert "checkpoint/optimizer.safetensors" in hub.content("ada/model")
    again = type(model).from_pretrained(out)
    again.compile(optimizer=tf.keras.optimizers.legacy.Adam(1e-3))
    assert load_optimizer_state(again, out) == 2
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations) > 0
    by_name = {v.name.partition("/")[2]: v for v in again.trainable_variables}
    for mine in model.trainable_variables:
        theirs = by_name[mine.name.partition("/")[2]]
        for slot in ("m", "v"):
            state = model.optimizer.get_slot(mine, slot).numpy()
            assert np.any(state)
            np.testing.assert_array_equal(state, again.optimizer.get_slot(theirs, slot).numpy())
    again.compile(optimizer="sgd")
    with pytest.raises(UserError, match="another optimizer or model"):
        load_optimizer_state(again, out)
    with pytest.raises(UserError, match=r"PushToHub\(checkpoint=True\)"):
        load_optimizer_state(again, out / "nowhere")


def test_the_card_is_the_callers_if_given(hub, push, model):
    fit(model, push(card=lambda: "# Mine\n"), epochs=1)
    assert hub.content("ada/model")["README.md"] == b"# Mine\n"


def test_the_card_has_a_row_an_epoch_and_examples_at_the_end(hub, push, model):
    fit(model, push(), epochs=3, validation_data=make_data(1))
    card = hub.content("ada/model")["README.md"].decode()
    assert [f"| {epoch} | {2 * epoch} |" in card for epoch in (1, 2, 3)] == [True] * 3
    assert "## Examples" in card and "Held-out loss" in card and "learning_rate" in card
    assert "[](" not in card


def test_the_tokenizer_of_a_wrapping_model_is_saved(hub, out, push, model, tokenizer):
    class Wrapper(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.model = model

        def call(self, inputs, training=False):
            return self.model(inputs, training=training)

        def train_step(self, data):
            return self.model.train_step(data)

    wrapper = Wrapper()
    wrapper.tokenizer = tokenizer
    wrapper.compile(optimizer="sgd")
    fit(wrapper, push(tokenizer=None), epochs=1)
    assert "tokenizer.json" in hub.content("ada/model")
    stored = type(model).from_pretrained(out)
    for mine, theirs in zip(model.get_weights(), stored.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
