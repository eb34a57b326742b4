"""Which versions of which models are loaded: polling, hot swaps, labels, states.

Follows TensorFlow Serving: a version becomes available after its warm-up; an old version leaves
only when a newer one is available; a version that cannot be loaded is reported and ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_futures
from pathlib import Path
from typing import Any

from tfmlm.serve.model_config import check_model_config, pick_versions
from tfmlm.serve.servable import Servable
from tfmlm.serve.status import StatusError, invalid_argument
from tfmlm.serve.versions import Model, Version, version_folders

log = logging.getLogger("tfmlm.serve")

Loader = Callable[[str, int, Path], Servable]


class ModelManager:
    """Loads, swaps and finds versions.

    Args:
        loader: loads and warms up one version, given model, number and folder.
        poll_seconds: pause between looks at the folders; 0 looks only once.
        load_retries: further attempts after a failed load.
        retry_seconds: pause between these.
        labels_for_missing: let a label that is new name a version that is not available.
        num_load_threads: versions loaded at a time.
    """

    def __init__(
        self,
        loader: Loader,
        *,
        poll_seconds: float = 1.0,
        load_retries: int = 5,
        retry_seconds: float = 1.0,
        labels_for_missing: bool = False,
        num_load_threads: int = 1,
    ) -> None:
        self._loader = loader
        self._poll_seconds = poll_seconds
        self._load_retries = load_retries
        self._retry_seconds = retry_seconds
        self._labels_for_missing = labels_for_missing
        self._models: dict[str, Model] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._serving: dict[str, dict[int, Servable]] = {}
        self._changed = threading.Condition()
        self._configuring = threading.Lock()
        self._stopped = threading.Event()
        load_threads = max(num_load_threads, 1)
        self._loads = ThreadPoolExecutor(load_threads, "tfmlm-load")
        # Two lanes: a version and its successor are loaded by different threads. The C library
        # gives each thread a heap (arena), so that what loading leaves behind does not lie between
        # objects of the version before, and a heap is empty again when its version is unloaded.
        self._loading: set[Future[Servable]] = set()
        self._lanes = [ThreadPoolExecutor(load_threads, f"tfmlm-lane-{i}") for i in range(2)]
        self._unloads = ThreadPoolExecutor(2, "tfmlm-unload")
        self._poller = threading.Thread(target=self._poll_forever, name="tfmlm-poll", daemon=True)

    def configure(self, config: Any, wait: bool = True) -> None:
        """Takes a ModelServerConfig: adds, changes and removes models, then sets labels.

        Args:
            wait: return when every model has a version that is available.

        Raises:
            StatusError: the configuration is wrong (nothing is changed then), a model has no
                version that can be loaded, or a label names a version that is not available.
        """
        entries = check_model_config(config)
        with self._configuring:
            with self._changed:
                for entry in entries:
                    base_path = Path(entry.base_path)
                    model = self._models.get(entry.name)
                    if model is None or model.removed or model.base_path != base_path:
                        # another base path: old versions serve until new ones are there
                        versions = model.versions if model else {}
                        model = Model(entry.name, base_path, entry.model_version_policy, versions)
                        self._models[entry.name] = model
                    model.policy = entry.model_version_policy
                names = {entry.name for entry in entries}
                for name, model in self._models.items():
                    if name not in names:
                        model.removed = True
            self.poll()
            if wait:
                self._wait_until_available(entries)
            self._set_labels(entries)

    def start_polling(self) -> None:
        """Looks at the folders from now on, every `poll_seconds`."""
        if self._poll_seconds > 0:
            self._poller.start()

    def poll(self) -> None:
        """Looks at the folders once and starts the loads and unloads that follow."""
        with self._changed:
            if self._stopped.is_set():
                return
            for model in self._models.values():
                self._aspire(model)
                self._unload_superfluous(model)

    def find(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """The loaded version that answers a request.

        Args:
            name: the model's name.
            version: its number; None for the highest number that is available.
            label: a label of the configuration, instead of a number.

        Raises:
            StatusError: NOT_FOUND if that version is not available, INVALID_ARGUMENT if there is no
                such label or no name, in TensorFlow Serving's words.
        """
        if not name:
            raise invalid_argument("ModelSpec has no name specified.")
        if label is not None:
            version = self._labels.get(name, {}).get(label)
            if version is None:
                raise invalid_argument(f"Unrecognized servable version label: {label}")
        versions = self._serving.get(name)
        if version is None and versions:
            return versions[max(versions)]
        if version is not None and versions and version in versions:
            return versions[version]
        request = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise StatusError("NOT_FOUND", f"Servable not found for request: {request}")

    def statuses(self, name: str, version: int | None = None) -> list[Version]:
        """States of one version or of all, the highest number first.

        Raises:
            StatusError: NOT_FOUND.
        """
        with self._changed:
            model = self._models.get(name)
            versions = dict(model.versions) if model else {}
        if version is not None:
            if version not in versions:
                raise StatusError("NOT_FOUND", f"Could not find version {version} of model {name}")
            return [versions[version]]
        if not versions:
            raise StatusError("NOT_FOUND", f"Could not find any versions of model {name}")
        return [versions[number] for number in sorted(versions, reverse=True)]

    def model_names(self) -> list[str]:
        """Names of the models of the configuration."""
        with self._changed:
            return sorted(name for name, model in self._models.items() if not model.removed)

    def labels(self, name: str) -> dict[str, int]:
        """Version numbers by label."""
        return dict(self._labels.get(name, {}))

    def stop_loading(self) -> None:
        """Begins no load any more, and looks for no versions."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        self._loads.shutdown(wait=False, cancel_futures=True)

    def stop(self, patience: float = 600.0) -> bool:
        """Stops polling and loading, and closes every version after the requests that use it.

        Args:
            patience: seconds that it may take. TensorFlow cannot be told to stop a load, nor a run
                that has begun.

        Returns:
            Whether everything is closed.
        """
        end = time.monotonic() + patience
        self.stop_loading()
        with self._changed:
            loading = set(self._loading)
        _, late = wait_for_futures(loading, max(end - time.monotonic(), 0))
        for lane in self._lanes:
            lane.shutdown(wait=not late, cancel_futures=True)
        self._unloads.shutdown(wait=False)
        with self._changed:
            servables = [s for versions in self._serving.values() for s in versions.values()]
            self._serving = {}
        closed = [s.close(patience=max(end - time.monotonic(), 0.1)) for s in servables]
        return not late and all(closed)

    # -- what follows runs with self._changed held, unless it says otherwise

    def _aspire(self, model: Model) -> None:
        if model.removed:
            wanted = {}
        else:
            try:
                found = version_folders(model.base_path)
            except OSError as error:
                self._complain(
                    model,
                    f"Could not find base path {model.base_path} for servable {model.name} "
                    f"with error {error.strerror}",
                )
                return
            wanted = {n: found[n] for n in pick_versions(model.policy, list(found))}
            self._complain(
                model,
                ""
                if wanted
                else f"No versions of servable {model.name} found under base path "
                f"{model.base_path}. Did you forget to name your leaf directory as a number "
                "(eg. '/1/')?",
            )
        for number, path in wanted.items():
            known = model.versions.get(number)
            gone = known is not None and known.state == "END" and not known.aspired
            if known is None or gone:
                version = model.versions[number] = Version(number, path)
                self._loads.submit(self._load, model, version)
            else:
                known.aspired = True
        for version in model.versions.values():
            if version.number not in wanted:
                version.aspired = False

    def _complain(self, model: Model, text: str) -> None:
        if text and text != model.complaint:
            log.warning(text)
        model.complaint = text

    def _unload_superfluous(self, model: Model) -> None:
        aspired = [v for v in model.versions.values() if v.aspired]
        available = [v for v in model.versions.values() if v.state == "AVAILABLE"]
        superfluous = [v for v in available if not v.aspired]
        if aspired and superfluous == available and available:
            # Until a version that is wanted is available, the newest of the others serves; only
            # that one, so that versions which come faster than they load do not add up.
            superfluous.remove(max(available, key=lambda v: v.number))
        for version in superfluous:
            version.state = "UNLOADING"
            self._publish(model)
            self._unloads.submit(self._unload, model.name, version)

    def _publish(self, model: Model) -> None:
        serving = dict(self._serving)
        serving[model.name] = {
            v.number: v.servable
            for v in model.versions.values()
            if v.state == "AVAILABLE" and v.servable is not None
        }
        self._serving = serving
        self._changed.notify_all()

    # -- in threads of their own

    def _load(self, model: Model, version: Version) -> None:
        what = f"{model.name} version {version.number}"
        for attempt in range(self._load_retries + 1):
            if self._stopped.is_set() or not version.aspired:
                break
            with self._changed:
                version.state = "LOADING"
                version.lane = model.free_lane()
                lane = self._lanes[version.lane]
            started = time.monotonic()
            try:
                loading = lane.submit(self._loader, model.name, version.number, version.path)
                with self._changed:
                    self._loading.add(loading)
                loading.add_done_callback(self._loading.discard)
                servable = loading.result()
            except (Exception, CancelledError) as error:
                if not isinstance(error, StatusError):
                    error = StatusError("UNKNOWN", f"{type(error).__name__}: {error}")
                version.error = error
                log.error("loading %s failed (attempt %d): %s", what, attempt + 1, error)
                if attempt < self._load_retries:
                    self._stopped.wait(self._retry_seconds)
                continue
            if self._stopped.is_set():
                servable.close(patience=0.0)
                break
            with self._changed:
                version.error = None
                version.servable = servable
                version.state = "AVAILABLE"
                self._publish(model)
                self._unload_superfluous(model)
            log.info("%s is available after %.1f s", what, time.monotonic() - started)
            return
        with self._changed:
            if version.aspired and version.error is None and not self._stopped.is_set():
                self._loads.submit(self._load, model, version)  # gone and back meanwhile
                return
            version.state = "END"
            self._changed.notify_all()

    def _unload(self, name: str, version: Version) -> None:
        assert version.servable is not None
        try:
            version.servable.close()
        except Exception:
            log.exception("unloading %s version %d failed", name, version.number)
        with self._changed:
            version.servable = None
            version.state = "END"
            self._changed.notify_all()
        log.info("%s version %d is unloaded", name, version.number)

    def _poll_forever(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            try:
                self.poll()
            except Exception:
                log.exception("looking for versions failed")

    def _wait_until_available(self, entries: list[Any]) -> None:
        """Waits for a version of each model, and for those that labels name."""

        def missing() -> list[str]:
            return [entry.name for entry in entries if not self._serving.get(entry.name)]

        def labelled_are_loading() -> bool:
            return any(
                version.state in ("START", "LOADING")
                for entry in entries
                for number in entry.version_labels.values()
                if (version := self._models[entry.name].versions.get(number)) is not None
            )

        def hopeless() -> list[tuple[str, Version]]:
            ended: list[tuple[str, Version]] = []
            for name in missing():
                versions = [v for v in self._models[name].versions.values() if v.aspired]
                if not versions or any(v.state != "END" for v in versions):
                    return []
                ended += [(name, version) for version in versions]
            return ended

        with self._changed:
            while (missing() or labelled_are_loading()) and not self._stopped.is_set():
                if hopeless():
                    break
                self._changed.wait(0.5)
            ended = hopeless()
            if ended:
                errors = "".join(
                    f"{{{{name: {name} version: {v.number}}} due to error: {v.error}}}, "
                    for name, v in ended
                )
                raise StatusError(
                    "UNKNOWN", f"{len(ended)} model(s) did not become available: {{{errors}}}"
                )

    def _set_labels(self, entries: list[Any]) -> None:
        labels: dict[str, dict[str, int]] = {}
        for entry in entries:
            available = self._serving.get(entry.name, {})
            old = self._labels.get(entry.name, {})
            for label, version in entry.version_labels.items():
                new_label = self._labels_for_missing and old.get(label, version) == version
                if version not in available and not new_label:
                    raise StatusError(
                        "FAILED_PRECONDITION",
                        f"Request to assign label to version {version} of model {entry.name}, "
                        "which is not currently available for inference",
                    )
                labels.setdefault(entry.name, {})[label] = version
        self._labels = labels
