"""Every line of a manifest becomes one recording or one failure, whatever stands in it."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import astuple
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import ManifestError
from transforms.manifest import (
    ID_FIELDS,
    KNOWN_FIELDS,
    LANGUAGE_FIELDS,
    URI_FIELDS,
    parse_line,
    read_sources,
)
from transforms.records import EACH, MIX, Failure, Recording
from transforms.store import Stores

PLACE = "/data/m.jsonl:7"


def parse(fields: dict[str, Any]) -> Recording:
    item = parse_line(json.dumps(fields), PLACE, "/data")
    assert isinstance(item, Recording), item
    return item


def refuse(line: str) -> Failure:
    item = parse_line(line, PLACE, "/data")
    assert isinstance(item, Failure), item
    assert item.stage == "manifest"
    assert item.error_type == "ManifestLineError"
    assert item.message.startswith(PLACE)
    assert item.recording.id == PLACE
    assert item.key == (PLACE, -1)
    return item


def write_lines(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


# -- lines


def test_a_line_with_nothing_but_audio() -> None:
    assert parse({"audio_filepath": "a.wav"}) == Recording(id="a.wav", uri="/data/a.wav")


def test_a_line_with_everything() -> None:
    item = parse(
        {
            "audio_filepath": "s3://bucket/a.wav",
            "id": "one",
            "offset": 1.5,
            "duration": 2,
            "language": "en-GB",
            "channel": 1,
            "text": "hama",
            "speaker": "Ann",
            "take": 3,
            "tags": ["é", None],
            "clean": True,
            "nothing": None,
        }
    )
    assert item == Recording(
        id="one",
        uri="s3://bucket/a.wav",
        channel=1,
        offset_s=1.5,
        duration_s=2.0,
        language="en-GB",
        reference="hama",
        metadata=(("speaker", "Ann"), ("take", "3"), ("tags", '["é", null]'), ("clean", "true")),
    )


def test_the_contracts_fields_are_the_known_ones() -> None:
    assert URI_FIELDS == ("audio_filepath", "audio_uri", "uri", "path")
    assert ID_FIELDS == ("id", "recording_id", "utt_id")
    assert LANGUAGE_FIELDS == ("language", "lang")


@pytest.mark.parametrize("name", URI_FIELDS)
def test_names_of_the_audio(name: str) -> None:
    assert parse({name: "a.wav", "other": "x"}) == Recording(
        "a.wav", "/data/a.wav", metadata=(("other", "x"),)
    )


@pytest.mark.parametrize("name", ID_FIELDS)
def test_names_of_the_id(name: str) -> None:
    assert parse({"uri": "a.wav", name: 17}) == Recording("17", "/data/a.wav")


@pytest.mark.parametrize("name", LANGUAGE_FIELDS)
def test_names_of_the_language(name: str) -> None:
    assert parse({"uri": "a.wav", name: "en"}) == Recording("a.wav", "/data/a.wav", language="en")


def test_the_first_alias_that_is_not_null_counts() -> None:
    item = parse({"audio_filepath": None, "uri": "a.wav", "path": "b.wav", "id": None})
    assert item == Recording("a.wav", "/data/a.wav")


@pytest.mark.parametrize(
    ("written", "uri"),
    [
        ("a.wav", "/data/a.wav"),
        ("sub/a.wav", "/data/sub/a.wav"),
        ("../a.wav", "/data/../a.wav"),
        ("/else/a.wav", "/else/a.wav"),
        ("gs://bucket/a.wav", "gs://bucket/a.wav"),
        ("https://host/a.wav?x=1", "https://host/a.wav?x=1"),
        ("ɲa b.wav", "/data/ɲa b.wav"),
    ],
)
def test_paths_are_relative_to_the_manifest(written: str, uri: str) -> None:
    assert parse({"audio_filepath": written}) == Recording(id=written, uri=uri)


@pytest.mark.parametrize(
    ("written", "channel"),
    [(None, MIX), ("mix", MIX), ("each", EACH), (0, 0), (7, 7), ("0", 0), ("12", 12)],
)
def test_channels(written: str | int | None, channel: str | int) -> None:
    item = parse({"uri": "a.wav", "channel": written})
    assert item.channel == channel
    assert type(item.channel) is type(channel)


@pytest.mark.parametrize(
    "channel", [-1, "-1", "left", "", 1.0, 1.5, True, False, [], ["mix"], {}, "9" * 5000, 10**30]
)
def test_channels_that_make_no_sense(channel: object) -> None:
    failure = refuse(json.dumps({"uri": "a.wav", "channel": channel}))
    assert "`channel`" in failure.message


@pytest.mark.parametrize("name", ["offset", "duration"])
@pytest.mark.parametrize(
    "value", ["-1", "-0.001", "1e10", "NaN", "Infinity", "1e999", '"1.5"', "true", "[]", "{}"]
)
def test_seconds_that_make_no_sense(name: str, value: str) -> None:
    failure = refuse(f'{{"uri": "a.wav", "{name}": {value}}}')
    assert f"`{name}`" in failure.message


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        '{"uri": "a.wav"',
        '{"uri": "a.wav"} {"uri": "b.wav"}',
        "{'uri': 'a.wav'}",
        "[" * 100_000,
        '{"uri": ' + "1" * 5000 + "}",
        '{"uri": "\\ud800.wav"}',
        '{"uri": "a.wav", "speaker": "\\udfff"}',
        '{"uri": "a.wav", "\\ud800": 1}',
    ],
)
def test_lines_that_are_not_json(line: str) -> None:
    assert "is not JSON" in refuse(line).message


@pytest.mark.parametrize("line", ["[]", "1", "null", '"a.wav"', "true", '["a.wav"]'])
def test_lines_that_are_not_an_object(line: str) -> None:
    assert "not a JSON object" in refuse(line).message


@pytest.mark.parametrize(
    "fields", [{}, {"text": "hama"}, {"uri": None}, {"uri": ""}, {"uri": 3}, {"uri": ["a.wav"]}]
)
def test_lines_without_audio(fields: dict[str, object]) -> None:
    assert "`audio_filepath`" in refuse(json.dumps(fields)).message


def check_storable(item: Recording | Failure) -> None:
    """What a line became can be keyed, shuffled and written: all of its text is UTF-8."""
    recording = item.recording if isinstance(item, Failure) else item
    if isinstance(item, Failure):
        assert item.message.startswith(PLACE)
        item.message.encode()
    else:
        assert item.uri
        assert item.offset_s >= 0
        assert item.duration_s is None or item.duration_s >= 0
        assert item.channel in (MIX, EACH) or isinstance(item.channel, int)
    for text in astuple(recording):
        if isinstance(text, str):
            text.encode()
    for name, value in recording.metadata:
        assert name not in KNOWN_FIELDS
        (name + value).encode()


ANY_CHARACTER = st.characters(exclude_categories=())
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(ANY_CHARACTER, max_size=8)
    | st.sampled_from(["a.wav", MIX, EACH, "3"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(ANY_CHARACTER, max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.text(ANY_CHARACTER))
def test_no_line_of_text_raises(line: str) -> None:
    check_storable(parse_line(line, PLACE, "/data"))


@given(
    st.dictionaries(
        st.sampled_from(sorted(KNOWN_FIELDS)) | st.text(ANY_CHARACTER, max_size=4),
        ANY_JSON,
        max_size=8,
    ),
    st.booleans(),
    st.booleans(),
)
def test_no_line_of_json_raises(fields: dict[str, Any], named: bool, ascii_only: bool) -> None:
    if named:
        fields["audio_filepath"] = "a.wav"
    check_storable(parse_line(json.dumps(fields, ensure_ascii=ascii_only), PLACE, "/data"))


# -- files


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
    first, second, third, fourth = read_sources([source], Stores())
    assert first == Recording("a.wav", f"{tmp_path}/a.wav")
    assert fourth == Recording("c.wav", f"{tmp_path}/c.wav")
    assert isinstance(second, Failure)
    assert second.message.startswith(f"{source}:3 ")
    assert isinstance(third, Failure)
    assert third.message.startswith(f"{source}:5:")


def test_a_manifest_of_broken_lines_alone_is_read(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "m.jsonl", "broken", "{}")
    assert [type(item) for item in read_sources([source], Stores())] == [Failure, Failure]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "ndjson", "JSONL"])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_forms_of_a_manifest(
    tmp_path: Path, suffix: str, zipped: bool, mark: bytes, newline: bytes
) -> None:
    lines = ['{"audio_filepath": "ɲa.wav"}'.encode(), b'{"audio_filepath": "b.wav"}']
    content = mark + newline.join(lines)
    path = tmp_path / (f"m.{suffix}.gz" if zipped else f"m.{suffix}")
    path.write_bytes(gzip.compress(content) if zipped else content)
    assert read_sources([str(path)], Stores()) == [
        Recording("ɲa.wav", f"{tmp_path}/ɲa.wav"),
        Recording("b.wav", f"{tmp_path}/b.wav"),
    ]


def test_bytes_that_are_not_utf8_stop_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'\xff\xfe\x00\n{"audio_filepath": "a.wav"}\n')
    broken, item = read_sources([str(path)], Stores())
    assert isinstance(broken, Failure)
    assert item == Recording("a.wav", f"{tmp_path}/a.wav")


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


def test_an_id_that_stands_twice_names_both_places(tmp_path: Path) -> None:
    one = write_lines(tmp_path / "one.jsonl", '{"uri": "a.wav"}', '{"uri": "b.wav", "id": "x"}')
    two = write_lines(tmp_path / "two.jsonl", "", '{"uri": "c.wav", "id": "x"}')
    with pytest.raises(ManifestError, match="stands twice") as caught:
        read_sources([one, two], Stores())
    for part in ("'x'", f"{one}:2", f"{two}:2"):
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


def test_a_directory_is_searched_in_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.wav", "a.FLAC", "sub/c.mp3", "notes.txt", "m.jsonl", "sub/.hidden"):
        (tmp_path / name).touch()
    expected = [Recording(name, f"{tmp_path}/{name}") for name in ("a.FLAC", "b.wav", "sub/c.mp3")]
    assert read_sources([str(tmp_path)], Stores()) == expected
    assert read_sources([f"{tmp_path}/"], Stores()) == expected


def test_a_file_name_that_is_not_utf8_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav")).touch()
    except OSError:
        pytest.skip("this disk takes no such names")
    good, bad = read_sources([str(tmp_path)], Stores())
    assert good == Recording("a.wav", f"{tmp_path}/a.wav")
    assert isinstance(bad, Failure)
    assert "not UTF-8" in bad.message
    (bad.message + bad.recording.id).encode()


def test_an_audio_file_names_itself(tmp_path: Path) -> None:
    source = str(tmp_path / "a.WAV")
    Path(source).touch()
    assert read_sources([source], Stores()) == [Recording(source, source)]


def test_sources_follow_one_another(tmp_path: Path) -> None:
    audio = str(tmp_path / "z.wav")
    Path(audio).touch()
    manifest = write_lines(tmp_path / "m.jsonl", '{"uri": "a.wav"}')
    ids = [
        item.id for item in read_sources([audio, manifest], Stores()) if isinstance(item, Recording)
    ]
    assert ids == [audio, "a.wav"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.jsonl", None, "does not exist"),
        ("missing.wav", None, "does not exist"),
        ("notes.txt", b"hello", "neither a JSON-lines manifest"),
        ("noend", b"hello", "neither a JSON-lines manifest"),
        ("empty.jsonl", b"", "names no recordings"),
        ("blank.jsonl", b"\n \n\n", "names no recordings"),
        ("not.jsonl.gz", b"plain text", "cannot be read"),
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
    with pytest.raises(ManifestError, match=says) as caught:
        read_sources([str(path)], Stores())
    assert str(path) in str(caught.value)


def test_a_directory_without_audio(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="names no recordings"):
        read_sources([str(tmp_path)], Stores())


def test_a_store_that_is_not_known() -> None:
    with pytest.raises(ManifestError, match=r"noprotocol://bucket/m\.jsonl cannot be read"):
        read_sources(["noprotocol://bucket/m.jsonl"], Stores())


def test_no_sources_are_no_recordings() -> None:
    assert read_sources([], Stores()) == []
