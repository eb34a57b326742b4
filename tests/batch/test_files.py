"""`fill_files`: files in, files out, whatever happens on the way."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import multiprocessing
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import zstandard

import tfmlm
from tests import processes
from tests.export.exported import bert, loaded_bert, masked_texts
from tests.small_run import bert_export as other_export
from tfmlm.batch import shards
from tfmlm.batch.files import SETTINGS, fill_files
from tfmlm.errors import RunFailedError, UserError

pytestmark = pytest.mark.usefixtures("one_session_an_export")

PART = 16


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PART_ROWS", PART)


def texts(count: int, seed: int = 0) -> list[str | None]:
    found: list[str | None] = list(masked_texts(count, "[MASK]", seed=seed))
    found[3:5] = [None, "no mask"]
    return found


def write(path: Path, rows: list[str | None], **more: list) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = pa.array(range(len(rows)), pa.int64())
    pyarrow.parquet.write_table(pa.table({"id": ids, "text": rows, **more}), path)
    return path


def read(path: Path) -> pa.Table:
    return pyarrow.parquet.read_table(path)


def expected(rows: list, **settings) -> list[dict]:
    """The runner's own rows, part by part as the files are."""
    filler = tfmlm.BatchFiller(loaded_bert(), **settings)
    found = []
    for start in range(0, len(rows), PART):
        found += filler(rows[start : start + PART])
    return [
        {"fills": r.fills, "filled": r.filled, "mask_count": r.mask_count, "status": r.status}
        for r in found
    ]


def assert_filled(table: pa.Table, rows: list, **settings) -> None:
    names = ["fills", "filled", "mask_count", "status"]
    assert table.select(names).to_pylist() == expected(rows, **settings)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `in`, two shards, and `out`, filled without interruption."""
    folder = tmp_path_factory.mktemp("files")
    write(folder / "in" / "a.parquet", texts(40, 1), label=[{"x": i} for i in range(40)])
    write(folder / "in" / "deep" / "b.parquet", texts(20, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "PART_ROWS", PART)
        report = fill_files(bert().path, [str(folder / "in" / "**")], folder / "out")
    assert report.written == ["a.parquet", "deep/b.parquet"]
    assert report.statuses == {"ok": 56, "null": 2, "no_mask": 2}
    return folder


def test_columns_order_and_schema(finished: Path) -> None:
    table = read(finished / "out" / "a.parquet")
    before = read(finished / "in" / "a.parquet")
    assert table.select(before.column_names).equals(before)
    assert_filled(table, texts(40, 1))
    item = pa.struct([("token", pa.int32()), ("token_str", pa.string()), ("score", pa.float32())])
    assert table.schema.field("fills").type == pa.list_(pa.list_(item))
    kinds = [table.schema.field(name).type for name in ("filled", "mask_count", "status")]
    assert kinds == [pa.string(), pa.int32(), pa.string()]
    assert {p.name for p in (finished / "out").iterdir()} == {"a.parquet", "deep", SETTINGS}
    whole = pyarrow.parquet.read_table(finished / "out" / "a.parquet", columns=["status"])
    assert whole.num_rows == 40


def test_finished_files_are_skipped_and_new_ones_filled(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    shutil.copytree(finished, folder)
    write(folder / "in" / "c.parquet", texts(20, 3))
    stamp = (folder / "out" / "a.parquet").stat().st_mtime_ns
    report = fill_files(bert().path, [str(folder / "in" / "**")], folder / "out")
    assert (report.skipped, report.written) == (["a.parquet", "deep/b.parquet"], ["c.parquet"])
    assert report.statuses == {"ok": 74, "null": 3, "no_mask": 3}
    assert (folder / "out" / "a.parquet").stat().st_mtime_ns == stamp
    write(folder / "in" / "a.parquet", texts(30, 4))
    report = fill_files(bert().path, [str(folder / "in" / "**")], folder / "out")
    assert list(report.failed) == [str(folder / "in" / "a.parquet")]
    assert "has changed since" in report.failed[str(folder / "in" / "a.parquet")]


KILLED = """
import os, signal, sys
import tfmlm.batch.shards as shards
from tfmlm.batch.files import fill_files
shards.PART_ROWS = int(sys.argv[1])
def die(progress):
    if progress.rows >= 40:
        os.kill(os.getpid(), signal.SIGKILL)
fill_files(*sys.argv[2:3], sys.argv[3:4], sys.argv[4], on_progress=die)
"""
FULL = """
import resource, sys
import tensorflow
import tfmlm.batch.shards as shards
from tfmlm.batch.files import fill_files
from tfmlm.errors import RunFailedError
shards.PART_ROWS = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[5]), -1))
try:
    fill_files(*sys.argv[2:3], sys.argv[3:4], sys.argv[4])
except RunFailedError as error:
    print(error)
"""


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return processes.run(command, capture_output=True, text=True)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_killed_job_goes_on_where_it_was(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pattern = finished / "in" / "**"
    done = run(KILLED, PART, bert().path, pattern, out)
    assert done.returncode == -9, done.stderr
    assert not list(out.glob("*.parquet"))
    assert len(list(out.rglob("*.parquet"))) == 2
    report = fill_files(bert().path, [str(pattern)], out)
    assert report.rows == 60 - 2 * PART
    assert {k: v for k, v in files_of(out).items() if "_lock" not in k} == (
        files_of(finished / "out")
    )


def test_a_full_disk(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pattern = finished / "in" / "**"
    largest = max(p.stat().st_size for p in (finished / "out").rglob("*.parquet"))
    done = run(FULL, PART, bert().path, pattern, out, largest - 1)
    assert "no space left; what is done is kept" in done.stdout, done.stderr
    assert not list(out.glob("*.parquet"))
    assert not list(out.rglob("*.tmp"))
    fill_files(bert().path, [str(pattern)], out)
    assert files_of(out) == files_of(finished / "out")


def test_two_workers_and_a_url(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    rows = []
    inputs = [f"file://{finished}/in/*.parquet"]
    report = fill_files(
        bert().path,
        inputs,
        f"file://{out}",
        num_workers=2,
        top_k=2,
        on_progress=lambda p: rows.append((p.rows, p.share)),
    )
    assert (report.written, report.rows) == (["a.parquet"], 40)
    table, one = read(out / "a.parquet"), expected(texts(40, 1), top_k=2)
    for row, alone in zip(table.to_pylist(), one, strict=True):
        assert [row[n] for n in ("filled", "mask_count", "status")] == [
            alone[n] for n in ("filled", "mask_count", "status")
        ]
        for items, others in zip(row["fills"], alone["fills"], strict=True):
            assert [i["token"] for i in items] == [i["token"] for i in others]
            assert [i["score"] for i in items] == pytest.approx(
                [i["score"] for i in others], rel=1e-4
            )
    assert rows == sorted(rows)
    assert rows[-1] == (40, 1.0)
    with pytest.raises(UserError, match="top_k must be"):
        fill_files(bert().path, inputs, tmp_path / "no", num_workers=2, top_k=0)
    assert not (tmp_path / "no").exists()


def test_a_worker_that_is_killed_ends_the_run_and_the_next_goes_on(
    finished: Path, tmp_path: Path
) -> None:
    arguments = [bert().path, [f"{finished}/in/*.parquet"], tmp_path / "out"]

    def kill(progress: object) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(RunFailedError, match="a worker process ended .* run the same command"):
        fill_files(*arguments, num_workers=2, on_progress=kill)
    assert not list((tmp_path / "out").glob("*.parquet"))
    assert fill_files(*arguments).written == ["a.parquet"]


COMPRESSED = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_csv_and_json_lines(suffix: str, tmp_path: Path) -> None:
    rows = ["a [MASK]", 'say "[MASK]", NA', "line\nbreak [MASK]", "NA"] * 5
    table = "n;text\r\n" + "".join('007;"{}"\r\n'.format(row.replace('"', '""')) for row in rows)
    tsv = "text\tn\n" + "".join(f"a [MASK]\t{n}\n" for n in range(3))
    lines = [
        {"id": 1, "text": "a [MASK]", "any": 1},
        {"id": 2, "text": None, "any": "x"},
        {"id": 2.5, "text": 7, "list": [1, None]},
        {"text": "b [MASK]", "any": {"k": "\ud800"}},
    ] * 5
    jsonl = "\n\n".join(map(json.dumps, lines)) + "\n"
    for name, content in {"c.csv": "\ufeff" + table, "t.tsv": tsv, "j.jsonl": jsonl}.items():
        (tmp_path / f"{name}{suffix}").write_bytes(COMPRESSED[suffix](content.encode()))
    report = fill_files(bert().path, [f"{tmp_path}/*"], tmp_path / "out")
    assert report.failed == {}
    found = read(tmp_path / "out" / "c.parquet")
    assert found.column("n").to_pylist() == ["007"] * 20
    assert found.column("text").to_pylist() == rows
    assert_filled(found, rows)
    found = read(tmp_path / "out" / "t.parquet")
    assert found.column("n").to_pylist() == ["0", "1", "2"]
    assert found.column("status").to_pylist() == ["ok"] * 3
    found = read(tmp_path / "out" / "j.parquet")
    assert found.column("id").to_pylist() == [1, 2, 2.5, None] * 5
    assert found.column("any").to_pylist() == ["1", "x", None, '{"k": "?"}'] * 5
    assert found.column("list").to_pylist() == [None, None, [1, None], None] * 5
    assert found.column("status").to_pylist() == ["ok", "null", "not_text", "ok"] * 5
    assert_filled(found, [line["text"] for line in lines])


def test_columns_within_columns_other_types_and_scores(tmp_path: Path) -> None:
    rows = ["a b", None, "c"]
    column = pa.array([{"body": r} for r in rows])
    pyarrow.parquet.write_table(
        pa.table({"status": rows, "answer": column}), tmp_path / "x.parquet"
    )
    arguments = [bert().path, [str(tmp_path / "x.parquet")], tmp_path / "out"]
    settings = {"text_column": "answer.body", "signature": "score_text"}
    with pytest.raises(
        UserError, match=r"named as those of the results \(status\).*--output_prefix"
    ):
        fill_files(*arguments, **settings)
    fill_files(*arguments, **settings, output_prefix="mlm_")
    table = read(tmp_path / "out" / "x.parquet")
    assert table.column("mlm_status").to_pylist() == ["ok", "null", "ok"]
    alone = list(tfmlm.BatchFiller(loaded_bert(), signature="score_text")(rows))
    likelihoods = [row.pseudo_log_likelihood for row in alone]
    assert table.column("mlm_pseudo_log_likelihood").to_pylist() == pytest.approx(likelihoods)
    assert [t and t[0]["token"] for t in table.column("mlm_tokens").to_pylist()] == [
        row.tokens[0]["token"] if row.tokens else [] for row in alone
    ]
    large = pa.array(["a [MASK]", None], pa.large_string()).dictionary_encode()
    pyarrow.parquet.write_table(pa.table({"text": large}), tmp_path / "y.parquet")
    fill_files(bert().path, [str(tmp_path / "y.parquet")], tmp_path / "other", targets=["x", "yy"])
    table = read(tmp_path / "other" / "y.parquet")
    assert table.column("status").to_pylist() == ["ok", "null"]
    assert table.column("target_exact").to_pylist()[0] is not None
    assert [len(fills) for fills in table.column("fills").to_pylist()] == [1, 0]


def test_damaged_files_are_named_and_the_others_done(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    good = write(folder / "good.parquet", texts(20, 5))
    data = good.read_bytes()
    (folder / "a.parquet").write_bytes(data[: len(data) // 2])
    (folder / "b.parquet").write_bytes(data[:200] + bytes(800) + data[1000:])
    (folder / "c.jsonl").write_text('{"text": "a [MASK]"}\n{"text": \n')
    (folder / "d.csv.gz").write_bytes(gzip.compress(b"text\na [MASK]\n")[:-6])
    (folder / "e.csv").write_bytes(b"text,n\na [MASK],1\nb,2,3\n")
    (folder / "f.csv").write_bytes(b"")
    (folder / "g.csv").write_bytes(b"text\n\xff\xfe [MASK]\n")
    write(folder / "h.parquet", texts(20, 6), filled=["x"] * 20)
    report = fill_files(bert().path, [str(folder)], tmp_path / "out")
    assert report.written == ["good.parquet"]
    names = ["a.parquet", "b.parquet", "c.jsonl", "d.csv.gz", "e.csv", "f.csv", "g.csv"]
    assert list(report.failed) == [str(folder / name) for name in [*names, "h.parquet"]]
    for name in names:
        assert name in report.failed[str(folder / name)]
    assert "line 2 is no JSON" in report.failed[str(folder / "c.jsonl")]
    assert "--output_prefix" in report.failed[str(folder / "h.parquet")]
    good.rename(folder / "a.parquet")
    report = fill_files(bert().path, [str(folder / "a.parquet")], tmp_path / "out")
    assert report.written == ["a.parquet"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"inputs": ["{in}/none.parquet"]}, "no file .*none.parquet"),
        ({"inputs": ["{in}/*.csv"]}, "no file .*csv; check --input"),
        ({"inputs": ["{in}/notes.md"]}, "unknown format; give one of .csv"),
        ({"inputs": ["nowhere://x/*.parquet"]}, "cannot open nowhere://x"),
        ({"inputs": ["{in}/a.parquet", "{in}/deep/a.csv"]}, "would both be written to a.parquet"),
        ({"text_column": "txt"}, r"has no column txt; its columns: id, text \(--text_column\)"),
        ({"text_column": "id"}, r"no text in the column id \(int64\); its columns: id, text"),
        ({"text_column": "text.x"}, "no column text.x"),
        ({"output": "{in}"}, "would be written over"),
        ({"output": "{in}/a.parquet"}, "is a file; give a folder"),
        ({"output": "{in}/deep"}, "holds other files"),
        ({"num_workers": 0}, "num_workers must be"),
        ({"signature": "tokenize"}, "give fill_mask or score_text"),
        ({"export": "{in}"}, "holds no SavedModel"),
    ],
)
def test_what_is_refused_before_anything_is_done(tmp_path: Path, changed, message) -> None:
    folder = tmp_path / "in"
    write(folder / "a.parquet", texts(8))
    (folder / "notes.md").write_text("x")
    (folder / "deep").mkdir()
    (folder / "deep" / "a.csv").write_text("text\nx\n")
    arguments = {
        "export": str(bert().path),
        "inputs": ["{in}/a.parquet"],
        "output": str(tmp_path / "out"),
        **changed,
    }
    for name, value in arguments.items():
        if isinstance(value, str):
            arguments[name] = value.replace("{in}", str(folder))
    arguments["inputs"] = [i.replace("{in}", str(folder)) for i in arguments["inputs"]]
    before = files_of(tmp_path)
    with pytest.raises(UserError, match=message):
        fill_files(**arguments)
    assert files_of(tmp_path) == before


def test_results_of_other_settings_are_refused_by_name(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(finished / "out", folder)
    before = files_of(folder)
    inputs = [str(finished / "in" / "**")]
    other = other_export() / "1"
    for settings, message in (
        ({"top_k": 3}, "other settings .top_k null"),
        ({"targets": ["x"]}, "targets null"),
        ({"signature": "score_text"}, 'signature "fill_mask"'),
        ({"output_prefix": "x_"}, 'output_prefix ""'),
        ({"export": other}, "another export"),
        ({"resume": False}, "holds results already"),
    ):
        arguments = {"export": bert().path, **settings}
        with pytest.raises(UserError, match=message):
            fill_files(inputs=inputs, output=folder, **arguments)
    assert files_of(folder) == before
    moved = tmp_path / "moved" / "7"
    shutil.copytree(bert().path, moved)
    assert fill_files(moved, inputs, folder).written == []


def test_a_file_without_rows(tmp_path: Path) -> None:
    write(tmp_path / "x" / "a.parquet", [])
    report = fill_files(bert().path, [f"{tmp_path}/x/a.parquet"], tmp_path / "out")
    assert read(tmp_path / "out" / "a.parquet").column_names[-1] == "status"
    assert (report.rows, report.written) == (0, ["a.parquet"])
