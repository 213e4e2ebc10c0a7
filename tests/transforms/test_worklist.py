"""What is written for workers to do is what they read."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that, equal_to

from tests.transforms.test_parquet import output
from transforms import worklist
from transforms.errors import OutputError
from transforms.records import Failure, Recording
from transforms.store import Stores
from transforms.worklist import ReadWorklist, read_worklist, write_worklist

RECORDINGS = [
    Recording("plain", "a.wav"),
    Recording(
        "ɲa\u2028\n",
        "s3://b/é.wav",
        channel="each",
        offset_s=1 / 3,
        duration_s=2.0,
        language="de-CH",
        reference="Größe",
        metadata=(("k", "v"), ("list", "[1]")),
    ),
    Recording("second", "b.wav", channel=1),
]
BROKEN = Failure(Recording("m.jsonl:2", ""), None, "manifest", "ManifestLineError", "not JSON")


def test_items_read_back_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worklist, "ITEMS_PER_FILE", 2)
    names = write_worklist(iter([*RECORDINGS, BROKEN]), output(tmp_path))
    assert len(names) == 2
    read = [item for name in names for item in read_worklist(name, Stores())]
    assert read == [*RECORDINGS, BROKEN]


def test_nothing_to_do_writes_nothing(tmp_path: Path) -> None:
    assert write_worklist(iter([]), output(tmp_path / "out")) == []
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_gone_is_the_jobs_fault(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"gone\.jsonl"):
        list(read_worklist(str(tmp_path / "gone.jsonl"), Stores()))


def test_the_transform_tells_recordings_from_failures(tmp_path: Path) -> None:
    names = write_worklist(iter([BROKEN, *RECORDINGS]), output(tmp_path))
    with Pipeline(runner="FnApiRunner") as pipeline:
        work = pipeline | beam.Create(names) | ReadWorklist(Stores())
        assert_that(work.recordings, equal_to(RECORDINGS), label="recordings")
        assert_that(work.failures, equal_to([BROKEN]), label="failures")
