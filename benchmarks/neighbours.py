"""Whether a text's answer depends on the texts beside it in a batch.

Each of 1,000 texts of 5 to 200 words is answered alone and among 31 others, by exports of one
encoder (6×384, BERT's vocabulary, random weights, whose best words are close to each other) in each
number type. Printed are the share of texts with the same best word, and how far the scores of the
five best words are apart, as a share of their size.

    python -m benchmarks.neighbours [--texts 1000] [--dtypes float32 bfloat16 int8]
        [--export FOLDER --file TEXTS]

`--export` compares answers of an export of one's own, to texts of one's own, one a line.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 32
K = 5


def compare(fill: Any, rows: list[str]) -> dict[str, Any]:
    """Answers alone against answers among others, for texts with one mask each."""
    same, apart = [], []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        together = fill.fill_arrays(batch, top_k=K)
        for number, text in enumerate(batch):
            alone = fill.fill_arrays([text], top_k=K)
            tokens = [answer["token"][row, 0] for answer, row in ((alone, 0), (together, number))]
            scores = [answer["score"][row, 0] for answer, row in ((alone, 0), (together, number))]
            same.append(tokens[0][0] == tokens[1][0])
            both = {int(t): float(s) for t, s in zip(tokens[1], scores[1], strict=True)}
            apart += [
                abs(both[int(t)] / float(s) - 1)
                for t, s in zip(tokens[0], scores[0], strict=True)
                if int(t) in both
            ]
    return {
        "texts": len(rows),
        "same best word": f"{np.mean(same):.2%}",
        "scores apart, median": f"{np.median(apart):.2g}",
        "99 of 100": f"{np.quantile(apart, 0.99):.2g}",
        "most": f"{max(apart):.2g}",
    }


def main() -> None:
    """Makes the exports, compares and prints."""
    import tfmlm
    from benchmarks.fill_mask import DTYPES, make_export, texts
    from tests.real_data import bert_uncased_dir

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16", "int8"])
    parser.add_argument("--work_dir", type=Path, help="models and exports are kept here")
    parser.add_argument("--export", type=Path, help="compare this export alone")
    parser.add_argument("--file", type=Path, help="texts with one mask each, for --export")
    args = parser.parse_args()
    if args.export:
        rows = args.file.read_text(encoding="utf-8").splitlines()[: args.texts]
        print(compare(tfmlm.load(args.export), rows))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.work_dir or Path(temporary)
        for dtype in args.dtypes:
            kind = next(name for name, other in DTYPES.items() if other == dtype)
            export = make_export("6x384", folder, bert_uncased_dir(), kind)
            print(dtype, compare(tfmlm.load(export), texts("5-200 words", args.texts)), flush=True)


if __name__ == "__main__":
    main()
