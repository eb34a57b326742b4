"""Distribution strategies by name, and what each of them means for data and files."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfmlm.cluster import (
    cluster_from_environment,
    connection_watchdog,
    unreachable_workers,
    wait_for_workers,
)
from tfmlm.config import STRATEGIES
from tfmlm.data.batch_growth import BatchGrowth
from tfmlm.data.pipeline import Layout
from tfmlm.errors import RunFailedError, UserError


def get_strategy(
    name: str = "auto", *, tpu_name: str | None = None, worker_timeout: float = 300.0
) -> tf.distribute.Strategy:
    """A distribution strategy; call it before any other TensorFlow operation.

    Args:
        name: `auto`: several workers in TF_CONFIG or Slurm → multi_worker, several GPUs →
            mirrored, else one device. `mirrored` without a GPU takes each logical CPU device as a
            replica. `one_device`, `multi_worker`, `tpu`.
        tpu_name: name or address of the TPU.
        worker_timeout: seconds to wait for the other workers.

    Raises:
        UserError: unknown name, or what it needs is not there.
        RunFailedError: another worker did not come; the message names it and its address.
    """
    if name not in STRATEGIES:
        raise UserError(f"strategy is {name!r}; choose from {', '.join(STRATEGIES)}")
    cluster = cluster_from_environment()
    if name == "auto":
        if cluster is not None and cluster.size > 1:
            name = "multi_worker"
        elif tpu_name:
            name = "tpu"
        else:
            name = "mirrored" if len(tf.config.list_logical_devices("GPU")) > 1 else "one_device"
    if name == "multi_worker":
        return _multi_worker(worker_timeout)
    if name == "tpu":
        return _tpu(tpu_name)
    gpus = tf.config.list_logical_devices("GPU")
    cpus = tf.config.list_logical_devices("CPU")
    if name == "mirrored":
        return tf.distribute.MirroredStrategy([device.name for device in gpus or cpus])
    return tf.distribute.OneDeviceStrategy((gpus or cpus)[0].name)


def _multi_worker(timeout: float) -> tf.distribute.Strategy:
    cluster = cluster_from_environment()
    if cluster is None:
        raise UserError(
            "strategy multi_worker needs to know the workers: set TF_CONFIG on each, or start "
            "them with srun (see docs/distributed.md)"
        )
    wait_for_workers(cluster, timeout)
    os.environ["TF_CONFIG"] = json.dumps(cluster.to_tf_config())
    with connection_watchdog(cluster, timeout):
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            if "program startup" in str(error):
                raise UserError(
                    "strategy multi_worker must be made before any other TensorFlow operation"
                ) from error
            raise RunFailedError(f"cannot connect the workers: {error}") from error


def _tpu(name: str | None) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name or "")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"no TPU {name or ''} can be reached: {reason}") from error
    return tf.distribute.TPUStrategy(resolver)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """True in the process that writes files: the only one, or worker 0."""
    return worker_number(strategy) == 0


def worker_number(strategy: tf.distribute.Strategy) -> int:
    """Number of this process among the workers of the run."""
    resolver = getattr(strategy, "cluster_resolver", None)
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or resolver is None:
        return 0
    cluster = resolver.cluster_spec()
    chiefs = len(cluster.job_tasks("chief")) if "chief" in cluster.jobs else 0
    return int(resolver.task_id or 0) + (chiefs if resolver.task_type == "worker" else 0)


def worker_count(strategy: tf.distribute.Strategy) -> int:
    """Number of processes of the run."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    spec = strategy.cluster_resolver.cluster_spec()
    return sum(len(spec.job_tasks(job)) for job in ("chief", "worker") if job in spec.jobs) or 1


def layout_of(
    strategy: tf.distribute.Strategy, rows: int, growth: BatchGrowth | None = None
) -> Layout:
    """The data layout for `rows` rows a replica and step, in which the batch may grow."""
    workers = worker_count(strategy)
    return Layout(
        rows=rows,
        workers=workers,
        worker=worker_number(strategy),
        replicas=strategy.num_replicas_in_sync // workers,
        growth=growth or BatchGrowth(),
    )


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns when every worker of the run has come here."""
    if worker_count(strategy) > 1:
        ones = strategy.run(tf.function(lambda: tf.constant(1.0)))
        strategy.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None)


@contextlib.contextmanager
def lost_workers_as_failed_run(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Turns TensorFlow's errors about a worker that is gone into one line.

    Raises:
        RunFailedError: instead of a collective operation's error in a run of several workers.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if worker_count(strategy) == 1 or not isinstance(error, _LOST):
            raise
        spec = strategy.cluster_resolver.cluster_spec().as_dict()
        gone = unreachable_workers(spec, worker_number(strategy))
        raise RunFailedError(
            f"lost {gone or 'another worker'} during training; start all workers again with the "
            "same command: they resume from the last checkpoint"
        ) from error


_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)


def distribute(strategy: tf.distribute.Strategy, dataset: tf.data.Dataset) -> Any:
    """Hands a worker's own data set, one element a replica and step, to its devices."""
    if isinstance(strategy, tf.distribute.OneDeviceStrategy):
        return dataset
    return strategy.distribute_datasets_from_function(lambda _: dataset)
