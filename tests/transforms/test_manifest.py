"""Every row of every source becomes one recording or one failure, in order, whatever it holds."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import os
import random
import sys
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import ManifestError
from transforms.manifest import iterate_sources, read_sources
from transforms.manifest_file import copy_of_stdin
from transforms.records import Failure, Recording
from transforms.store import Stores

ROWS = [
    {"audio_filepath": "ɲa.wav", "id": "one", "text": 'he "could", wait', "offset": "0.5"},
    {"audio_filepath": "b.wav", "id": "two", "text": "no longer", "speaker": "Ann"},
]
EXPECTED_OF_ROWS = [
    ("one", "ɲa.wav", 0.5, 'he "could", wait', ()),
    ("two", "b.wav", 0.0, "no longer", (("speaker", "Ann"),)),
]


def write_lines(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def as_table(delimiter: str) -> bytes:
    buffer = io.StringIO()
    names = sorted({name for row in ROWS for name in row})
    writer = csv.DictWriter(buffer, names, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return buffer.getvalue().encode()


def as_parquet() -> bytes:
    buffer = io.BytesIO()
    names = sorted({name for row in ROWS for name in row})
    pq.write_table(pa.table({name: [row.get(name) for row in ROWS] for name in names}), buffer)
    return buffer.getvalue()


LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode()
ARRAY = json.dumps(ROWS, indent=2).encode()
FORMS = {
    "m.jsonl": LINES,
    "m.ndjson": LINES,
    "M.JSON": LINES,
    "lines.txt": LINES,
    "noend": LINES,
    "m.json": ARRAY,
    "array": ARRAY,
    "m.csv": as_table(","),
    "semicolons.csv": as_table(";"),
    "table.txt": as_table(","),
    "table": as_table("\t"),
    "m.tsv": as_table("\t"),
    "m.parquet": as_parquet(),
    "parquet": as_parquet(),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_a_manifest(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FORMS[name])
    check_rows(tmp_path / name)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("name", [name for name in FORMS if "parquet" not in name])
def test_gzip_is_told_by_its_content(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes(gzip.compress(FORMS[name]))
    check_rows(path)


def test_text_that_a_server_has_unzipped_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl.gz").write_bytes(LINES)
    check_rows(tmp_path / "m.jsonl.gz")


def check_rows(path: Path) -> None:
    items = read_sources([str(path)], Stores())
    assert [
        (item.id, item.uri, item.offset_s, item.reference, item.metadata)
        for item in items
        if isinstance(item, Recording)
    ] == [
        (identity, f"{path.parent}/{name}", *others) for identity, name, *others in EXPECTED_OF_ROWS
    ]


def test_a_manifest_keeps_its_order_and_numbers_its_lines(tmp_path: Path) -> None:
    source = write_lines(
        tmp_path / "m.jsonl",
        '{"audio_filepath": "a.wav"}',
        "",
        "broken",
        "   ",
        '{"audio_filepath": "b.wav", "offset": -1}',
        ' {"audio_filepath": "c.wav"} ',
    )
    (at, first), (_, second), (_, third), (_, fourth) = iterate_sources([source], Stores())
    assert at == f"{source}:1"
    assert first == Recording("a.wav", f"{tmp_path}/a.wav")
    assert fourth == Recording("c.wav", f"{tmp_path}/c.wav")
    assert isinstance(second, Failure)
    assert second.message.startswith(f"{source}:3: ")
    assert isinstance(third, Failure)
    assert third.message.startswith(f"{source}:5: ")


def test_a_manifest_of_broken_lines_alone_is_read(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "m.jsonl", "broken", "{}")
    assert [type(item) for item in read_sources([source], Stores())] == [Failure, Failure]


def test_a_manifest_named_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(tmp_path / "m.jsonl", '{"audio_filepath": "a.wav"}')
    monkeypatch.chdir(tmp_path)
    assert read_sources(["m.jsonl"], Stores()) == [Recording("a.wav", "./a.wav")]


def test_a_manifest_at_the_root_of_a_store() -> None:
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe("/beamscribe-test-root.jsonl", b'{"audio_filepath": "a.wav"}\n')
    source = "memory://beamscribe-test-root.jsonl"
    assert read_sources([source], Stores()) == [Recording("a.wav", "memory://a.wav")]
    filesystem.rm("/beamscribe-test-root.jsonl")


def test_a_manifest_at_a_url_of_this_machine(tmp_path: Path) -> None:
    source = f"file://{write_lines(tmp_path / 'm.csv', 'uri', 'a.wav')}"
    assert read_sources([source], Stores()) == [Recording("a.wav", f"file://{tmp_path}/a.wav")]


def test_a_manifest_within_an_archive(tmp_path: Path) -> None:
    archive = fsspec.filesystem("zip", fo=str(tmp_path / "a.zip"), mode="w")
    archive.pipe("sub/m.jsonl", b'{"audio_filepath": "a.wav"}\n')
    archive.close()
    source = f"zip://sub/m.jsonl::{tmp_path}/a.zip"
    assert read_sources([source], Stores()) == [
        Recording("a.wav", f"zip://sub/a.wav::{tmp_path}/a.zip")
    ]


def test_a_manifest_on_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parquet = io.BytesIO()
    pq.write_table(pa.table({"uri": ["a.wav", "b.wav"]}), parquet)
    for content in (
        b"a.wav\n/data/b.wav\n",
        gzip.compress(b'{"uri": "a.wav"}\n"b"\n'),
        parquet.getvalue(),
    ):
        path = tmp_path / "stdin"
        path.write_bytes(content)
        copy_of_stdin.cache_clear()
        with path.open("r", encoding="utf-8") as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            once = list(iterate_sources(["-"], Stores()))
        assert len(once) == 2
        assert once[0] == ("-:1", Recording("a.wav", "./a.wav"))
        assert list(iterate_sources(["-"], Stores())) == once
    copy_of_stdin.cache_clear()


def test_common_voice_finds_its_clips(tmp_path: Path) -> None:
    source = write_lines(
        tmp_path / "test.tsv",
        "client_id\tpath\tsentence\tlocale",
        "too short",
        "c\ta.mp3\tEr konnte.\tde",
    )
    _, beside = read_sources([source], Stores())
    assert isinstance(beside, Recording)
    assert beside.uri == f"{tmp_path}/a.mp3"
    (tmp_path / "clips").mkdir()
    _, item = read_sources([source], Stores())
    assert isinstance(item, Recording)
    assert (item.id, item.uri) == ("a.mp3", f"{tmp_path}/clips/a.mp3")


def test_an_id_that_stands_twice_names_both_places(tmp_path: Path) -> None:
    one = write_lines(tmp_path / "one.jsonl", '{"uri": "a.wav"}', '{"uri": "b.wav", "id": "x"}')
    two = write_lines(tmp_path / "two.csv", "uri,id", "", "c.wav,x")
    with pytest.raises(ManifestError, match="stands twice") as caught:
        read_sources([one, two], Stores())
    for part in ("'x'", f"{one}:2", f"{two}:3"):
        assert part in str(caught.value)
    with pytest.raises(ManifestError, match=r"one\.jsonl:1 and .*one\.jsonl:1"):
        read_sources([one, one], Stores())


def test_the_same_audio_under_two_ids_is_two_recordings(tmp_path: Path) -> None:
    source = write_lines(
        tmp_path / "m.jsonl",
        '{"uri": "a.wav", "id": "1", "duration": 1}',
        '{"uri": "a.wav", "id": "2", "offset": 1}',
    )
    assert [
        item.id for item in read_sources([source], Stores()) if isinstance(item, Recording)
    ] == ["1", "2"]


def test_a_file_name_that_is_not_utf8_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav")).touch()
    except OSError:
        pytest.skip("this disk takes no such names")
    good, bad = read_sources([str(tmp_path)], Stores())
    assert good == Recording("a.wav", f"{tmp_path}/a.wav")
    assert isinstance(bad, Failure)
    assert "not Unicode" in bad.message
    (bad.message + bad.recording.id).encode()


def test_sources_follow_one_another(tmp_path: Path) -> None:
    audio = str(tmp_path / "z.wav")
    Path(audio).touch()
    manifest = write_lines(tmp_path / "m.jsonl", '{"uri": "a.wav"}')
    places = [place for place, _ in iterate_sources([audio, manifest], Stores())]
    assert places == [audio, f"{manifest}:1"]


def test_rows_come_before_the_rest_is_read(tmp_path: Path) -> None:
    source = tmp_path / "m.jsonl.gz"
    whole = gzip.compress(b"".join(b'{"uri": "%d.wav"}\n' % n for n in range(20_000)))
    source.write_bytes(whole[: len(whole) // 2])
    items = iterate_sources([str(source)], Stores())
    assert len(list(itertools.islice(items, 1000))) == 1000
    with pytest.raises(ManifestError, match="cannot be read"):
        list(items)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.jsonl", None, "does not exist"),
        ("missing.wav", None, "does not exist"),
        ("missing-*.wav", None, "names no recordings"),
        ("missing/*.wav", None, "cannot be read"),
        ("a**/b.wav", None, "cannot be read: Invalid pattern"),
        ("notes", b"hello", "neither a manifest nor audio"),
        ("notes.md", b"# My notes\n", "neither a manifest nor audio"),
        ("empty.jsonl", b"", "names no recordings"),
        ("empty", b"", "neither a manifest nor audio"),
        ("blank.csv", b"\n \n\n", "names no recordings"),
        ("header.csv", b"uri,text\n", "names no recordings"),
        ("comments.txt", b"# nothing yet\n", "names no recordings"),
        ("empty.json", b"[]", "names no recordings"),
        ("cut.json", b'[{"uri": "a.wav"}, {"uri"', "is not a JSON array"),
        ("book.csv", b"PK\x03\x04rest", "is a zip archive or a workbook"),
        ("wide.csv", "uri,text\na.wav,é\n".encode("utf-16"), "is UTF-16 text"),
        ("m.jsonl.xz", b"\xfd7zXZ\x00", "is compressed with xz"),
        ("m.jsonl", b"BZh9", "is compressed with bzip2"),
        ("cut.parquet", as_parquet()[:-20], "cannot be read"),
        ("cut.jsonl.gz", gzip.compress(b"broken\n" * 99, mtime=0)[:-12], "cannot be read"),
        ("bad.jsonl.gz", gzip.compress(b"x" * 99, mtime=0)[:10] + b"\xff" * 50, "cannot be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sources_that_cannot_be_used(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"^[^:]+") as caught:
        read_sources([str(path)], Stores())
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_store_that_is_not_known() -> None:
    with pytest.raises(ManifestError, match=r"noprotocol://bucket/m\.jsonl cannot be read"):
        read_sources(["noprotocol://bucket/m.jsonl"], Stores())


def test_no_sources_are_no_recordings() -> None:
    assert read_sources([], Stores()) == []


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(FORMS)),
    zipped=st.booleans(),
    seed=st.integers(0, 2**32),
    changes=st.integers(1, 6),
)
def test_no_damage_to_a_manifest_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, name: str, zipped: bool, seed: int, changes: int
) -> None:
    content = damage(FORMS[name], random.Random(seed), changes)
    if zipped:
        content = gzip.compress(content)
        if seed % 4 == 0:
            content = damage(content, random.Random(seed), 1)
    path = tmp_path_factory.getbasetemp() / f"damaged-{name}"
    path.write_bytes(content)
    try:
        items = read_sources([str(path)], Stores())
    except ManifestError as error:
        assert str(path) in str(error)
        return
    for item in items:
        recording = item if isinstance(item, Recording) else item.recording
        (recording.id + recording.uri + "".join(map("".join, recording.metadata))).encode()
        if isinstance(item, Failure):
            assert item.error_type == "ManifestLineError"
            item.message.encode()


def damage(content: bytes, chance: random.Random, changes: int) -> bytes:
    """Bytes flipped, cut out, doubled, or replaced by what parsers trip over."""
    for _ in range(changes):
        at, end = sorted(chance.randrange(len(content) + 1) for _ in range(2))
        end = min(end, at + 40)
        content = content[:at] + (
            chance.choice(
                [
                    bytes([chance.randrange(256)]) + content[at + 1 :],
                    content[end:],
                    content[at:end] + content[at:],
                    chance.choice([b'"', b"\0", b"\r", b"\n", b"[", b"{", b"\xff", b"\\ud800"])
                    + content[at:],
                    b"",
                ]
            )
        )
    return content
