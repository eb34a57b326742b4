"""Run by tests/batch/test_beam.py with an interpreter that has Apache Beam: prints rows as JSON."""

from __future__ import annotations

import json
import sys

import apache_beam as beam
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions

from tfmlm.batch.beam import FillMask, as_dict


def main(export: str, source: str, output: str, settings: str, *flags: str) -> None:
    options = PipelineOptions(["--direct_runner_use_stacked_bundle", *flags])
    pipeline = beam.Pipeline(runner="DirectRunner", options=options)
    pairs = pipeline | beam.io.ReadFromParquet(source) | beam.Map(lambda r: (r["id"], r["text"]))
    good, other = (
        pairs | FillMask(export, keyed=True, **json.loads(settings)).with_exception_handling()
    )
    lines = good | beam.Map(
        lambda pair: json.dumps(
            {"id": pair[0], "example": pair[1].example, **as_dict(pair[1].inference)}
        )
    )
    lines | beam.io.WriteToText(output, file_name_suffix=".jsonl")
    other.failed_inferences | beam.Map(print)
    result = pipeline.run()
    result.wait_until_finish()
    found = result.metrics().query(MetricsFilter().with_namespace("tfmlm"))
    counts = {c.key.metric.name: c.committed for c in found["counters"]}
    print(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
