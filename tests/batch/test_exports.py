"""Exports, inputs and outputs in a bucket, on a server that speaks Amazon's protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import requests
from moto.server import ThreadedMotoServer
from pyarrow import fs

from tests.export.exported import bert, masked_texts
from tfmlm.batch import exports, shards
from tfmlm.batch.files import SETTINGS, fill_files
from tfmlm.errors import UserError

pytestmark = pytest.mark.usefixtures("one_session_an_export")

BUCKET = "s3://texts"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[fs.FileSystem]:
    """An empty bucket that URLs reach by Amazon's own variables."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shards, "PART_ROWS", 16)
    requests.put(f"{endpoint}/texts", timeout=10).raise_for_status()
    yield fs.FileSystem.from_uri(BUCKET)[0]
    requests.post(f"{endpoint}/moto-api/reset", timeout=10).raise_for_status()
    exports._fetch.cache_clear()


def texts(count: int, seed: int) -> list[str | None]:
    return [None, "no mask", *masked_texts(count - 2, "[MASK]", seed=seed)]


def write(bucket: fs.FileSystem, name: str, rows: list[str | None]) -> None:
    with bucket.open_output_stream(f"texts/{name}") as stream:
        pyarrow.parquet.write_table(pa.table({"id": range(len(rows)), "text": rows}), stream)


def read(bucket: fs.FileSystem, name: str) -> list[dict]:
    with bucket.open_input_file(f"texts/{name}") as file:
        return pyarrow.parquet.read_table(file).to_pylist()


def names(bucket: fs.FileSystem, folder: str) -> set[str]:
    found = bucket.get_file_info(fs.FileSelector(f"texts/{folder}", recursive=True))
    return {i.path.removeprefix(f"texts/{folder}/") for i in found if i.is_file}


def test_all_of_it_in_a_bucket(bucket: fs.FileSystem, tmp_path: Path) -> None:
    """Rows equal those of files here; a run that was stopped goes on and ends the same."""
    local = tmp_path / "in"
    local.mkdir()
    for name, rows in {"a.parquet": texts(40, 1), "deep/b.parquet": texts(18, 2)}.items():
        write(bucket, f"in/{name}", rows)
        (local / name).parent.mkdir(exist_ok=True)
        pyarrow.parquet.write_table(pa.table({"id": range(len(rows)), "text": rows}), local / name)
    export = bert().path
    fs.copy_files(str(export), "texts/export", destination_filesystem=bucket)
    fill_files(export, [str(local / "**")], tmp_path / "out", top_k=2)

    def stop(progress: object) -> None:
        if progress.rows >= 32:
            raise KeyboardInterrupt

    run = (f"{BUCKET}/export", [f"{BUCKET}/in/**"], f"{BUCKET}/out")
    with pytest.raises(KeyboardInterrupt):
        fill_files(*run, top_k=2, on_progress=stop)
    left = names(bucket, "out")
    assert not {"a.parquet", "deep/b.parquet"} & left
    assert any(name.startswith("_parts/") for name in left)
    report = fill_files(*run, top_k=2)
    assert report.written == ["a.parquet", "deep/b.parquet"] and report.rows < 58
    assert names(bucket, "out") == {SETTINGS, "a.parquet", "deep/b.parquet"}
    for name in report.written:
        assert (
            read(bucket, f"out/{name}")
            == pyarrow.parquet.read_table(tmp_path / "out" / name).to_pylist()
        )
    again = fill_files(*run, top_k=2)
    assert (again.written, again.skipped) == ([], ["a.parquet", "deep/b.parquet"])
    with pytest.raises(UserError, match="other settings"):
        fill_files(*run, top_k=3)
    with bucket.open_input_file(f"texts/out/{SETTINGS}") as file:
        assert json.loads(file.read())["top_k"] == 2


@pytest.mark.parametrize(
    ("export", "inputs", "said"),
    [
        (f"{BUCKET}/none", f"{BUCKET}/in/*", "no export folder s3://texts/none"),
        (None, f"{BUCKET}/in/*.csv", "s3://texts/in/"),
        (None, "s3://no-such-bucket/*.parquet", "s3://no-such-bucket"),
        (None, "s3:///in", "s3:///in"),
    ],
)
def test_what_is_not_there(
    bucket: fs.FileSystem, export: str | None, inputs: str, said: str
) -> None:
    write(bucket, "in/a.parquet", texts(4, 0))
    with pytest.raises(UserError, match=said) as caught:
        fill_files(export or bert().path, [inputs], f"{BUCKET}/out")
    assert "\n" not in str(caught.value)
    assert not bucket.get_file_info("texts/out").is_file
