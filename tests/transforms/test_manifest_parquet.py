"""Manifests in Parquet."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms import manifest_parquet
from transforms.errors import ManifestError, ManifestLineError
from transforms.manifest_parquet import read_parquet
from transforms.manifest_row import parse_row
from transforms.records import Recording
from transforms.uris import Folder


def stored(table: pa.Table, **options: Any) -> io.BytesIO:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    stream.seek(0)
    return stream


def test_rows_keep_their_types_and_are_numbered() -> None:
    table = pa.table(
        {
            "uri": ["a.wav", "b.wav", None],
            "channel": pa.array([0, None, 1], pa.int8()),
            "offset": pa.array([Decimal("1.50"), None, None], pa.decimal128(5, 2)),
            "hotwords": [["hama"], None, []],
            "speaker": pa.array([{"name": "Ann"}, None, None]),
            "made": pa.array([1, 2, None], pa.timestamp("ns", tz="UTC")),
            "day": [datetime(2026, 1, 2, tzinfo=UTC).date(), None, None],
            "__index_level_0__": [0, 1, 2],
            "thumbnail": [b"\xff", b"", None],
        }
    )
    first, second, third = read_parquet(stored(table), "m")
    assert [place for place, _ in (first, second, third)] == ["m:1", "m:2", "m:3"]
    assert parse_row(first[1], "m:1", Folder("/data")) == Recording(
        "a.wav",
        "/data/a.wav",
        channel=0,
        offset_s=1.5,
        hotwords=("hama",),
        metadata=(
            ("speaker", '{"name": "Ann"}'),
            ("made", "1970-01-01 00:00:00.000000001Z"),
            ("day", "2026-01-02"),
        ),
    )
    assert isinstance(second[1], dict)
    assert "thumbnail" not in second[1]


def test_batches_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_parquet, "BATCH_ROWS", 3)
    table = pa.table({"uri": [f"{number}.wav" for number in range(10)]})
    found = list(read_parquet(stored(table, row_group_size=4), "m"))
    assert found == [(f"m:{number + 1}", {"uri": f"{number}.wav"}) for number in range(10)]


def test_text_that_is_not_utf8_costs_its_row_alone() -> None:
    raw = pa.array([b"a.wav", b"\xff.wav", b"c.wav"], pa.binary())
    names = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    first, second, third = (row for _, row in read_parquet(stored(pa.table({"uri": names})), "m"))
    assert (first, third) == ({"uri": "a.wav"}, {"uri": "c.wav"})
    assert isinstance(second, ManifestLineError)
    assert "UTF-8" in str(second)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"name": ["a.wav"]}, "no column that names audio: its header names 'name'"),
        ({"audio": [{"bytes": b"RIFF", "path": "a.wav"}]}, "holds the audio itself"),
        ({"uri": [b"a.wav"]}, "no column that names audio"),
    ],
)
def test_columns_that_name_no_audio(columns: dict[str, list[object]], says: str) -> None:
    with pytest.raises(ManifestError, match=r"^m") as caught:
        list(read_parquet(stored(pa.table(columns)), "m"))
    assert says in str(caught.value)


def test_audio_in_the_file_beside_its_path_is_not_read() -> None:
    table = pa.table({"audio": [{"bytes": b"RIFF"}], "path": ["a.wav"]})
    assert [row for _, row in read_parquet(stored(table), "m")] == [{"path": "a.wav"}]


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_a_broken_file(content: bytes) -> None:
    with pytest.raises(ManifestError, match=r"^m cannot be read: "):
        list(read_parquet(io.BytesIO(content), "m"))
