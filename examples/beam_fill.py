"""Fill the masks of text files on Apache Beam: here, on Dataflow, on Flink.

pip install 'tfmlm[beam]'
python examples/beam_fill.py my_export --input 'texts*.txt' --output filled
"""

import argparse
import json

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from tfmlm.batch.beam import FillMask, as_dict

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("export", help="export folder or URL that every worker can read")
parser.add_argument("--input", required=True, help="texts, one a line: a glob or gs://…")
parser.add_argument("--output", required=True, help="what the names of the results begin with")
parser.add_argument("--top_k", type=int, default=5)


def main() -> None:
    args, flags = parser.parse_known_args()
    # Everything else is Beam's: --runner=DataflowRunner --project=… --sdk_container_image=…
    with beam.Pipeline(options=PipelineOptions(flags)) as pipeline:
        filled, failed = (
            pipeline
            | beam.io.ReadFromText(args.input)
            | FillMask(args.export, top_k=args.top_k).with_exception_handling()
        )
        (
            filled
            | beam.Map(lambda r: json.dumps({"text": r.example, **as_dict(r.inference)}))
            | beam.io.WriteToText(args.output, file_name_suffix=".jsonl")
        )
        # Batches that failed, such as those of a worker without memory; no text fails by itself.
        (
            failed.failed_inferences
            | "FailedAsText" >> beam.Map(repr)
            | "WriteFailed" >> beam.io.WriteToText(f"{args.output}-failed", file_name_suffix=".txt")
        )


if __name__ == "__main__":
    main()
