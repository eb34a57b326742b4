"""An export on Apache Beam: `FillMask`, a transform over Beam's RunInference.

```python
with beam.Pipeline() as pipeline:
    rows = (
        pipeline
        | beam.io.ReadFromText("gs://bucket/texts*.txt")
        | FillMask("gs://bucket/my_export", top_k=3)
        | beam.Map(lambda result: (result.example, result.inference.filled))
    )
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import (
    KeyedModelHandler,
    ModelHandler,
    PredictionResult,
    RunInference,
)

from tfmlm.batch.runner import BatchFiller, Row

#: Weight of a batch that Beam hands over: bytes of texts, with `ROW_WEIGHT` for each row. The
#: runner makes runs of like length of it, so it is many runs of the model.
BATCH_WEIGHT = 2**18
ROW_WEIGHT = 64


class ExportModelHandler(ModelHandler[str, PredictionResult, BatchFiller]):
    """Loads an export once a process, and fills or scores texts with it.

    The export's path travels to the workers, never its weights.
    """

    def __init__(self, export: str, **settings: Any) -> None:
        """Takes what `BatchFiller` takes.

        Args:
            export: a folder that every worker sees, or a URL (`gs://…`, `s3://…`).
            settings: `signature`, `top_k`, `targets`, `max_tokens`, `batch_size`, `threads`.
        """
        super().__init__(
            min_batch_size=BATCH_WEIGHT, max_batch_size=BATCH_WEIGHT, element_size_fn=weight
        )
        self._export = str(export)
        self._settings = settings

    def load_model(self) -> BatchFiller:
        """The export in a session."""
        return BatchFiller(self._export, **self._settings)

    def run_inference(
        self,
        batch: Sequence[str],
        model: BatchFiller,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[PredictionResult]:
        """A `FilledRow` or `ScoredRow` for each text, as the `inference` of a PredictionResult."""
        for text, row in zip(batch, model(batch), strict=True):
            Metrics.counter(self.get_metrics_namespace(), f"status_{row.status}").inc()
            yield PredictionResult(text, row, self._export)

    def validate_inference_args(self, inference_args: dict[str, Any] | None) -> None:
        """There are none."""
        if inference_args:
            raise ValueError(f"inference_args are not used. Received: {inference_args}")

    def get_num_bytes(self, batch: Sequence[str]) -> int:
        """Bytes of the texts."""
        return sum(weight(text) - ROW_WEIGHT for text in batch)

    def get_metrics_namespace(self) -> str:
        """Where the counters `status_ok`, `status_no_mask`, … and Beam's own are."""
        return "tfmlm"


def weight(text: Any) -> int:
    """What a row adds to a batch."""
    if isinstance(text, str):
        return len(text.encode("utf-8", "replace")) + ROW_WEIGHT
    return (len(text) if isinstance(text, bytes) else 0) + ROW_WEIGHT


class FillMask(beam.PTransform):
    """Texts to `PredictionResult(example=text, inference=FilledRow)`.

    Elements are strings, bytes or None; or, with `keyed=True`, pairs of a key and such a text,
    which become pairs of the key and the result. `with_exception_handling` is RunInference's.
    """

    def __init__(self, export: str, *, keyed: bool = False, **settings: Any) -> None:
        """Takes what `BatchFiller` takes; `signature="score_text"` scores."""
        super().__init__()
        handler: Any = ExportModelHandler(export, **settings)
        self._keyed = keyed
        self._handler = KeyedModelHandler(handler) if keyed else handler
        self._exceptions: Mapping[str, Any] | None = None

    def with_exception_handling(self, **options: Any) -> FillMask:
        """Batches that fail go to a second output, as RunInference's method of this name says."""
        self._exceptions = options
        return self

    def expand(self, texts: Any) -> Any:
        """Batches, runs, and gives one result an element."""
        run: Any = RunInference(self._handler)
        if self._exceptions is not None:
            run = run.with_exception_handling(**self._exceptions)
        return texts | run


def as_dict(row: Row) -> dict[str, Any]:
    """A result in the fields of the Arrow schema that `tfmlm batch` writes."""
    from tfmlm.batch.schema import FILL_FIELDS, SCORE_FIELDS

    fields = FILL_FIELDS if hasattr(row, "fills") else SCORE_FIELDS
    found = {field.name: getattr(row, field.name) for field in fields}
    exact = getattr(row, "target_exact", None)
    return found if exact is None else {**found, "target_exact": exact}
