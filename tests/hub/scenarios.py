"""How a callback fares with a difficult Hub: `python -m tests.hub.scenarios {stock,ours} OUT.json`.

The same scenarios for transformers' `PushToHubCallback` and for `tfmlm.PushToHub`. Each gives a
dict of findings; nothing is judged here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hub.small import TOKEN, make_data, make_model, make_tokenizer
from tests.hub_server import LoopbackHub

ROTATED = "hf_AdasOtherTokenForTests987654321"
# The request that brings a commit to the Hub, and the first one of a clone or a check.
COMMIT = {"stock": "git_push", "ours": "commit"}
SCENARIOS: list[Callable[[Any], dict[str, Any]]] = []


def scenario(function: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    SCENARIOS.append(function)
    return function


class World:
    """A Hub, a folder and a repository of their own for one scenario.

    The model is one for all, so that its training function is traced once; every run of it changes
    its weights.
    """

    def __init__(self, kind: str, hub: LoopbackHub, root: Path, name: str, model: Any) -> None:
        self.kind, self.hub = kind, hub
        self.folder = root / name
        self.repo_id = f"ada/{name}"
        hub.stop()
        hub.faults.clear()
        hub.start()
        hub.users.clear()
        hub.add_user("ada", TOKEN)
        os.environ["HF_TOKEN"] = TOKEN
        self.model = model

    def callback(self, **options: Any) -> Any:
        options = {
            "output_dir": self.folder,
            "tokenizer": make_tokenizer(),
            "hub_model_id": self.repo_id,
            **options,
        }
        if self.kind == "stock":
            from transformers.keras_callbacks import PushToHubCallback

            return PushToHubCallback(**options)
        import tfmlm
        from tfmlm.hub.delivery import Backoff

        options = {"hub_timeout": 8.0, "backoff": Backoff(4, 0.1, 0.3), **options}
        return tfmlm.PushToHub(**options)

    def fit(self, callback: Any, epochs: int = 2, batches: int = 2, before: Any = ()) -> None:
        self.model.fit(make_data(batches), epochs=epochs, verbose=0, callbacks=[*before, callback])

    def step(self) -> str:
        return COMMIT[self.kind]

    def saved(self) -> bool:
        """Whether the folder holds the model's weights as they are now."""
        return self._holds(self.folder)

    def pushed(self) -> bool:
        """Whether the Hub does."""
        with tempfile.TemporaryDirectory() as folder:
            for path, content in self.hub.content(self.repo_id).items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            return self._holds(Path(folder))

    def _holds(self, folder: Path) -> bool:
        import numpy as np
        from transformers import TFBertForMaskedLM

        try:
            stored = TFBertForMaskedLM.from_pretrained(folder)
        except OSError:
            return False
        pairs = zip(self.model.get_weights(), stored.get_weights(), strict=True)
        return all(np.array_equal(mine, theirs) for mine, theirs in pairs)


def on_epoch_end(epoch: int, action: Callable[[], None]) -> Any:
    import tensorflow as tf

    def act(now: int, logs: Any) -> None:
        if now == epoch:
            action()

    return tf.keras.callbacks.LambdaCallback(on_epoch_end=act)


def said(callback: Any, log: list[str]) -> bool:
    """Whether anybody was told that something is not on the Hub."""
    line = getattr(callback, "undelivered", None)
    return bool(line) or any("push" in text.lower() for text in log)


@scenario
def slow_hub(world: World) -> dict[str, Any]:
    """The first push is still under way when training ends."""
    callback = world.callback(**({"hub_timeout": 60.0} if world.kind == "ours" else {}))
    go_on = threading.Event()
    world.hub.fault(world.step(), "delay", until=go_on)
    timer = threading.Timer(3, go_on.set)  # training is over then, whatever the machine's speed
    world.fit(callback, before=[on_epoch_end(1, timer.start)])
    return {"saved": world.saved(), "pushed": world.pushed()}


@scenario
def hub_dies_before_the_last_push(world: World) -> dict[str, Any]:
    callback = world.callback()
    log: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: log.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    raised = False

    def die_at_the_push() -> None:
        world.hub.fault(world.step(), "kill", seconds=3)

    try:
        world.fit(callback, before=[on_epoch_end(1, die_at_the_push)])
    except Exception:
        raised = True
    logging.getLogger().removeHandler(handler)
    findings = {"raised": raised, "said": said(callback, log), "saved": world.saved()}
    world.hub.start()
    if world.kind == "ours":
        from tfmlm.hub.push import push_folder

        findings["command"] = "tfmlm push" in callback.undelivered
        push_folder(world.folder)
    return {**findings, "pushed": world.pushed()}


@scenario
def remote_ahead(world: World) -> dict[str, Any]:
    """Somebody commits between two runs into the same folder."""
    world.fit(world.callback(), epochs=1)
    world.hub.commit_as_someone_else(world.repo_id, {"CITATION.cff": b"cite"})
    with contextlib.suppress(OSError):
        world.fit(world.callback(), epochs=1)
    return {
        "pushed": world.pushed(),
        "others_kept": "CITATION.cff" in world.hub.content(world.repo_id),
    }


@scenario
def folder_is_not_empty(world: World) -> dict[str, Any]:
    world.folder.mkdir()
    (world.folder / "notes.txt").write_text("mine")
    try:
        world.fit(world.callback(), epochs=1)
    except OSError as error:
        return {"works": False, "error": str(error)}
    kept = (world.folder / "notes.txt").read_text() == "mine"
    return {"works": world.pushed() and kept}


@scenario
def rotated_token(world: World) -> dict[str, Any]:
    """The token was changed between two runs into the same folder."""
    world.fit(world.callback(), epochs=1)
    world.hub.users.clear()
    world.hub.add_user("ada", ROTATED)
    os.environ["HF_TOKEN"] = ROTATED
    try:
        world.fit(world.callback(), epochs=1)
    except OSError as error:
        return {"works": False, "error": str(error)}
    return {"works": world.pushed()}


@scenario
def token_on_disk(world: World) -> dict[str, Any]:
    """Files below the folder and the home directory that hold the token."""
    world.fit(world.callback(), epochs=1)
    places = [*world.folder.rglob("*"), *Path(os.environ["HOME"]).rglob("*")]
    holding = [p.name for p in places if p.is_file() and TOKEN.encode() in p.read_bytes()]
    return {"holding": sorted(set(holding))}


@scenario
def token_in_traceback(world: World) -> dict[str, Any]:
    """The Hub breaks while the callback is made."""
    for step in ("git_refs", "preupload"):
        world.hub.fault(step, "status", times=10, status=400)
    try:
        world.callback()
    except Exception:
        return {"token": TOKEN in traceback.format_exc()}
    return {"token": None}


@scenario
def steps_over_the_run(world: World) -> dict[str, Any]:
    """Three epochs of 3 steps, a checkpoint every 4 steps: due after steps 4 and 8."""
    callback = world.callback(save_strategy="steps", save_steps=4)
    saves: list[str] = []
    if world.kind == "ours":
        save = callback.save
        callback.save = lambda: (saves.append("save"), save())
    else:
        save_pretrained = world.model.save_pretrained
        world.model.save_pretrained = lambda path: (saves.append("save"), save_pretrained(path))
    world.fit(callback, epochs=3, batches=3)
    world.model.__dict__.pop("save_pretrained", None)
    return {"saves_before_the_end": len(saves) - 1, "pushed": world.pushed()}


@scenario
def what_is_written(world: World) -> dict[str, Any]:
    """A checkpoint with the optimizer's state, of a model made from scratch."""
    world.fit(world.callback(checkpoint=True), epochs=1)
    files = world.hub.content(world.repo_id)
    card = files["README.md"].decode()
    return {
        "pickles": sorted(path for path in files if path.endswith((".pickle", ".pkl", ".bin"))),
        "safetensors": "model.safetensors" in files,
        "empty_link": "[](" in card,
        "pipeline_tag": "pipeline_tag: fill-mask" in card,
    }


@scenario
def hub_hangs(world: World) -> dict[str, Any]:
    """No answer to the commit, ever. The last scenario: the stock callback does not return."""
    options = {"hub_timeout": 4.0} if world.kind == "ours" else {}
    callback = world.callback(**options)
    world.hub.fault(world.step(), "freeze", times=1000)
    thread = threading.Thread(target=world.fit, args=(callback,), daemon=True)
    thread.start()
    thread.join(60 if world.kind == "ours" else 12)
    line = getattr(callback, "undelivered", None) or ""
    return {"returned": not thread.is_alive(), "said": "did not answer" in line}


def main() -> None:
    kind, out = sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "home").mkdir()
        hub = LoopbackHub(root / "hub")
        os.environ.update(
            HF_ENDPOINT=hub.url,
            HF_HOME=str(root / "home" / "hf"),
            HF_HUB_OFFLINE="0",
            HOME=str(root / "home"),
            NO_PROXY="127.0.0.1",
        )
        import tfmlm  # noqa: F401

        findings = {}
        model = make_model()
        for function in SCENARIOS:
            name = function.__name__
            try:
                findings[name] = function(World(kind, hub, root, name.replace("_", "-"), model))
            except Exception:
                findings[name] = {"crashed": traceback.format_exc()}
            out.write_text(json.dumps(findings))
    os._exit(0)


if __name__ == "__main__":
    main()
