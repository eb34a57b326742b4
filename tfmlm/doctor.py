"""What this machine has for tfmlm, fact by fact, with a remedy where something is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmlm.files import cache_folder

#: Everything is as it should be; something is slower or less than it could be; tfmlm cannot work.
OK, NOTE, PROBLEM = "ok", "note", "problem"
#: Free space in a cache folder below which a corpus or a tokenizer may not fit, in bytes.
LOW_SPACE = 2 * 10**9
#: Number types smaller than float32, the instructions that TensorFlow's CPU kernels use for
#: products of them, and what to do without.
NUMBER_TYPES = {
    "bfloat16": (
        ("amx_bf16", "avx512_bf16"),
        "keep --dtype float32 for exports that run here",
    ),
    "int8": (
        ("amx_int8", "avx512_vnni", "avx_vnni"),
        "exports of --dtype int8 are right here, and slow",
    ),
}


@dataclass(frozen=True)
class Fact:
    """One line of the report.

    Attributes:
        name: what was looked at.
        status: `ok`, `note` or `problem`.
        value: what was found.
        remedy: what to do about it; empty where nothing is needed.
    """

    name: str
    status: str
    value: str
    remedy: str = ""


def examine() -> list[Fact]:
    """Looks at everything; imports TensorFlow, and starts the GPU if there is one.

    A look that fails itself becomes a `problem` with the error as its value.
    """
    facts: list[Fact] = []
    for look in LOOKS:
        try:
            facts += look()
        except Exception as error:
            name = look.__name__.replace("_", " ")
            facts.append(Fact(name, PROBLEM, f"{type(error).__name__}: {error}"))
    return facts


def packages() -> Iterator[Fact]:
    """Python and the packages that tfmlm requires, against the ranges it was tested with."""
    from packaging.requirements import Requirement

    yield Fact("Python", OK, f"{platform.python_version()} ({sys.executable})")
    for line in importlib.metadata.requires("tfmlm") or ():
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield Fact(requirement.name, PROBLEM, "not installed", f"pip install '{line}'")
            continue
        if requirement.specifier.contains(version, prereleases=True):
            yield Fact(requirement.name, OK, version)
        else:
            wanted = f"{version}, tested with {requirement.specifier}"
            yield Fact(requirement.name, PROBLEM, wanted, f"pip install '{line}'")


def keras() -> Iterator[Fact]:
    """Whether `tf.keras` is Keras 2, which the TensorFlow models of transformers need."""
    import tensorflow as tf

    package = tf.keras.Model.__module__.partition(".")[0]  # tf_keras is Keras 2, keras is Keras 3
    value = f"{package} {importlib.metadata.version(package.replace('_', '-'))}"
    remedy = "import tfmlm before tensorflow, or set TF_USE_LEGACY_KERAS=1"
    fine = package == "tf_keras"
    yield Fact("tf.keras", OK if fine else PROBLEM, value, "" if fine else remedy)


def text_operations() -> Iterator[Fact]:
    """Whether TensorFlow Text, which exports with `--ops text` need, loads beside TensorFlow."""
    import tensorflow_text

    yield Fact("TF Text operations", OK, f"{tensorflow_text.__version__} loads")


def processor() -> Iterator[Fact]:
    """The processor, the cores that this process may use, and its small number types."""
    model, flags = _cpuinfo()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Fact("processor", OK, f"{model}, {cores} of {os.cpu_count()} cores")
    for name, (needed, remedy) in NUMBER_TYPES.items():
        found = [flag for flag in needed if flag in flags]
        if found:
            yield Fact(f"{name} on the CPU", OK, ", ".join(found))
        else:
            yield Fact(f"{name} on the CPU", NOTE, f"neither {' nor '.join(needed)}", remedy)


def memory() -> Iterator[Fact]:
    """Physical memory, in total and available."""
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = (os.sysconf(name) * page for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    yield Fact("memory", OK, f"{total / 1e9:.1f} GB, {free / 1e9:.1f} GB free")


def gpus() -> Iterator[Fact]:
    """GPUs that TensorFlow sees, and what it lacks where there is one that it does not see."""
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    build = tf.sysconfig.get_build_info()
    made_for = f"CUDA {build.get('cuda_version', '?')}, cuDNN {build.get('cudnn_version', '?')}"
    for device in devices:
        details = tf.config.experimental.get_device_details(device)
        capability = ".".join(map(str, details.get("compute_capability", ()))) or "unknown"
        name = details.get("device_name", device.name)
        yield Fact(
            "GPU", OK, f"{name}, compute capability {capability}; TensorFlow is for {made_for}"
        )
    driver = shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia").exists()
    if not devices and driver:
        yield Fact(
            "GPU",
            PROBLEM,
            f"there is an NVIDIA driver, but TensorFlow sees no GPU; it is for {made_for}",
            "pip install 'tensorflow[and-cuda]', and unset CUDA_VISIBLE_DEVICES",
        )
    elif not devices:
        yield Fact("GPU", NOTE, "none", "training and serving run on the CPU")


def xla() -> Iterator[Fact]:
    """What `--jit_compile` needs on a GPU: ptxas and libdevice."""
    import tensorflow as tf

    flags = os.environ.get("XLA_FLAGS", "")
    yield Fact("XLA_FLAGS", OK, flags or "not set")
    if not tf.config.list_physical_devices("GPU"):
        return
    folder = _cuda_folder(flags)
    ptxas = shutil.which("ptxas") or (folder and shutil.which("ptxas", path=folder / "bin"))
    libdevice = folder and next(folder.glob("nvvm/libdevice/libdevice*.bc"), None)
    remedy = (
        "pip install nvidia-cuda-nvcc-cu12 and set XLA_FLAGS=--xla_gpu_cuda_data_dir=FOLDER, the "
        "folder that holds nvvm/libdevice"
    )
    for name, found in (("ptxas", ptxas), ("libdevice", libdevice)):
        yield Fact(name, OK if found else NOTE, str(found or "not found"), "" if found else remedy)


def serving() -> Iterator[Fact]:
    """Releases of TensorFlow Serving that exports are checked against."""
    from tfmlm.export.writing.servable_ops import releases

    known = releases()
    yield Fact(
        "TF Serving",
        OK,
        f"releases {known[0]} to {known[-1]} are known; `tfmlm inspect` says which load an export",
    )


def caches() -> Iterator[Fact]:
    """Folders that grow, whether they can be written, and the space left there."""
    from huggingface_hub.constants import HF_HUB_CACHE

    for name, folder in (
        ("tfmlm's cache", cache_folder()),
        ("the Hub's cache", Path(HF_HUB_CACHE)),
    ):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(there).free
        value = f"{folder}, {free / 1e9:.0f} GB free"
        if not os.access(there, os.W_OK):
            yield Fact(name, PROBLEM, f"{value}, not writable", "set XDG_CACHE_HOME or HF_HOME")
        elif free < LOW_SPACE:
            yield Fact(name, NOTE, value, "make room, or set XDG_CACHE_HOME or HF_HOME")
        else:
            yield Fact(name, OK, value)


def hub() -> Iterator[Fact]:
    """Where models come from and go to, and whether there is a token; nothing is contacted."""
    from huggingface_hub import constants, get_token

    place = "off (HF_HUB_OFFLINE)" if constants.HF_HUB_OFFLINE else constants.ENDPOINT
    if get_token() is None:
        yield Fact("Hub", NOTE, f"{place}, no token", "`hf auth login` before a push")
    else:
        yield Fact("Hub", OK, f"{place}, with a token")


LOOKS: tuple[Callable[[], Iterator[Fact]], ...] = (
    packages,
    keras,
    text_operations,
    processor,
    memory,
    gpus,
    xla,
    serving,
    caches,
    hub,
)


def _cpuinfo() -> tuple[str, set[str]]:
    """Name and flags of the processor, from /proc/cpuinfo where there is one."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    values: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(":")
        values.setdefault(name.strip(), value.strip())
    return values.get("model name", platform.machine()), set(values.get("flags", "").split())


def _cuda_folder(flags: str) -> Path | None:
    """The folder that XLA looks for CUDA's tools in: named in XLA_FLAGS, or the pip package's."""
    for flag in flags.split():
        if flag.startswith("--xla_gpu_cuda_data_dir="):
            return Path(flag.partition("=")[2])
    try:
        spec = importlib.util.find_spec("nvidia.cuda_nvcc")
    except ModuleNotFoundError:
        return None
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(places[0]) if places else None
