"""`tfmlm train` on the command line: the flags, a config file, and calls that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training import small
from tfmlm.checkpoint.load import load_model, load_tokenizer
from tfmlm.cli.main import main

MODEL = ["--model_type", "bert", "--config_overrides", small.OVERRIDES]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.txt")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def test_trains_from_scratch_and_the_folder_loads(
    corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    flags = ["--train_tokenizer", "wordpiece", "--vocab_size", "300", "--max_seq_length", "32"]
    flags += ["--max_steps", "3", "--whole_word_mask", "--eval_on_start", "--json"]
    code = main(["train", *MODEL, *flags, "--train_file", str(corpus), "--output_dir", str(out)])
    captured = capfd.readouterr()
    assert code == 0, captured.err
    results = json.loads(captured.out)
    assert results["train_steps"] == 3
    assert results["initial_eval_loss"] > 0 < results["unigram_loss"]
    assert "First block, masked: [CLS]" in captured.err
    assert f"Read {len(small.lines())} texts of {corpus}\n" in captured.err
    assert "loss" in captured.err
    assert "tokens/s" in captured.err
    tokenizer = load_tokenizer(out)
    assert type(tokenizer).__name__ == "BertTokenizerFast"
    assert load_model(out).config.vocab_size == len(tokenizer) == 300

    # The checkpoint is a model to start from, and to evaluate.
    again = [
        "--model_name_or_path",
        str(out),
        "--train_file",
        str(corpus),
        "--max_seq_length",
        "32",
    ]
    settings = tmp_path / "settings.yaml"
    settings.write_text("max_steps: 1\nlearning_rate: 1e-4\nmixed_precision: no\n")
    code = main(["train", str(settings), *again, "--output_dir", str(tmp_path / "tuned")])
    captured = capfd.readouterr()
    assert code == 0, captured.err
    assert "no masked-LM head" not in captured.err
    written = json.loads((tmp_path / "tuned" / "training_config.json").read_text())
    assert (written["max_steps"], written["learning_rate"]) == (1, 1e-4)


def _weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00broken")


def _checkpoint(folder: Path) -> Path:
    from transformers import BertConfig

    BertConfig(vocab_size=300, hidden_size=32, num_hidden_layers=1).save_pretrained(folder)
    small.tokenizer().save_pretrained(folder)
    _weights(folder)
    return folder


WRONG = {
    "no output folder": (["--train_file", "{corpus}", *MODEL], "output_dir is missing"),
    "no corpus": ([*MODEL, "--output_dir", "{out}"], "no corpus"),
    "no model": (["--train_file", "{corpus}", "--output_dir", "{out}"], "no model"),
    "missing file": (["{good}", "--train_file", "{tmp}/no.txt"], "no file {tmp}/no.txt"),
    "glob without a match": (["{good}", "--train_file", "{tmp}/*.nothing"], "no file"),
    "folder as file": (["{good}", "--train_file", "{tmp}"], "is a folder"),
    "empty file": (["{good}", "--train_file", "{tmp}/empty.txt"], "is empty"),
    "file of blank lines": (["{good}", "--train_file", "{tmp}/blank.txt"], "holds no text"),
    "binary file": (["{good}", "--train_file", "{tmp}/binary.txt"], "binary file"),
    "other encoding": (["{good}", "--train_file", "{tmp}/latin1.txt"], "is not UTF-8 text"),
    "unknown format": (["{good}", "--train_file", "{tmp}/corpus.pdf"], "unknown format .pdf"),
    "wrong column": (
        ["{good}", "--train_file", "{tmp}/table.csv", "--text_column", "body"],
        "no column body; its columns with text: title, story",
    ),
    "broken json": (["{good}", "--train_file", "{tmp}/broken.jsonl"], "cannot read"),
    "unknown model type": (["{good}", "--model_type", "brt"], "did you mean bert?"),
    "unknown model": (["{tuned}", "--model_name_or_path", "{tmp}/none"], "no folder"),
    "corrupt weights": (["{tuned}", "--model_name_or_path", "{tmp}/broken"], "weights"),
    "unknown override": (["{good}", "--config_overrides", "hiden_size=8"], "hidden_size"),
    "override that cannot be": (
        ["{good}", "--config_overrides", "hidden_size=33"],
        "cannot be built",
    ),
    "block over positions": (["{good}", "--max_seq_length", "100"], "positions for 64"),
    "block without room": (["{good}", "--max_seq_length", "2"], "max_seq_length is 2"),
    "corpus too small": (
        ["{good}", "--train_file", "{tmp}/tiny.txt", "--max_seq_length", "64"],
        "too few for one block",
    ),
    "probability over 1": (["{good}", "--mlm_probability", "1.5"], "mlm_probability is 1.5"),
    "probabilities over 1 together": (["{good}", "--random_replace_prob", "0.5"], "together"),
    "no number": (["{good}", "--learning_rate", "fast"], "learning_rate is 'fast'"),
    "no steps": (["{good}", "--num_train_epochs", "0", "--max_steps", "0"], "num_train_epochs"),
    "unknown schedule": (["{good}", "--lr_scheduler_type", "cubic"], "choose from linear"),
    "unknown flag": (["{good}", "--learnign_rate", "1"], "--learnign_rate"),
    "output is a file": (["{good}", "--output_dir", "{tmp}/empty.txt"], "is a file"),
    "output holds other things": (["{good}", "--output_dir", "{tmp}/full"], "is not empty"),
    "output holds another run": (["{good}", "--output_dir", "{tmp}/other"], "another run"),
    "vocabulary too small": (["{good}", "--vocab_size", "10"], "vocab_size is 10"),
    "model and type": (["{good}", "--model_name_or_path", "x"], "not both"),
    "streaming without steps": (["{good}", "--streaming"], "streaming needs max_steps"),
    "percentage over 100": (["{good}", "--validation_split_percentage", "100"], "below 100"),
    "config file missing": (["{tmp}/none.yaml", "{good}"], "cannot read the config file"),
    "config file with a typo": (["{tmp}/typo.yaml", "{good}"], "did you mean learning_rate?"),
    "unknown resume": (["{good}", "--resume_from_checkpoint", "{tmp}/full"], "cannot resume"),
    "compiled longformer": (
        [
            "{good}",
            "--model_type",
            "longformer",
            "--config_overrides",
            small.OVERRIDES + ",attention_window=8",
            "--jit_compile",
        ],
        "jit_compile does not work with longformer: its attention has shapes",
    ),
    "broken TF_CONFIG": (["{good}", "--strategy", "multi_worker"], "TF_CONFIG"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files and folders for the wrong calls."""
    root = tmp_path_factory.mktemp("wrong")
    (root / "empty.txt").write_bytes(b"")
    (root / "blank.txt").write_text("\n \n\t\n")
    (root / "binary.txt").write_bytes(b"ab\x00\x01\x02" * 100)
    (root / "latin1.txt").write_bytes("Füße\n".encode("latin-1") * 10)
    (root / "corpus.pdf").write_text("text")
    (root / "table.csv").write_text("title,story,year\na,one two three,1999\n")
    (root / "broken.jsonl").write_text('{"text": "a"}\n{"text": \n')
    (root / "tiny.txt").write_text("a few words\n")
    (root / "typo.yaml").write_text("learning_rte: 1\n")
    (root / "full").mkdir()
    (root / "full" / "thesis.tex").write_text("mine")
    (root / "other").mkdir()
    (root / "other" / "training_config.json").write_text('{"learning_rate": 0.5}')
    _checkpoint(root / "broken")
    return root


@pytest.mark.parametrize("case", WRONG)
def test_wrong_call_is_one_line_and_leaves_nothing(
    case: str,
    corpus: Path,
    files: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments, message = WRONG[case]
    if case == "broken TF_CONFIG":
        monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}}')
    out = tmp_path / "out"
    common = ["--train_file", str(corpus), "--output_dir", str(out), "--max_seq_length", "32"]
    words: list[str] = []
    for argument in arguments:
        if argument == "{good}":
            words += [*common, *MODEL, "--train_tokenizer", "bpe", "--vocab_size", "300"]
            words += (
                ["--max_steps", "1"] if case not in ("no steps", "streaming without steps") else []
            )
        elif argument == "{tuned}":
            words += common
        else:
            words.append(argument.format(corpus=corpus, out=out, tmp=files))
    # Later flags win, but for files, which add up: there the wrong one is the only one.
    if words.count("--train_file") == 2:
        at = words.index("--train_file")
        del words[at : at + 2]
    before = {p: p.read_bytes() for p in files.rglob("*") if p.is_file()}
    try:
        code = main(["train", *words])
    except SystemExit as error:
        code = error.code
    lines = capfd.readouterr().err.strip().splitlines()
    assert code == 2, lines
    assert message.format(tmp=files) in lines[-1]
    assert lines[-1].startswith(("tfmlm train: error: ", "tfmlm: error: "))
    assert len(lines) == 1
    assert {p: p.read_bytes() for p in files.rglob("*") if p.is_file()} == before
    assert not out.exists()
