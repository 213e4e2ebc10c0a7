"""Lines of JSON, lists and arrays: each row with its place, or why it has no fields."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms import manifest_lines
from transforms.errors import ManifestError, ManifestLineError
from transforms.manifest_lines import read_json_array, read_json_lines, read_lines, read_list

JSON_ROWS = st.lists(
    st.dictionaries(
        st.text(max_size=3), st.integers() | st.text(max_size=5) | st.none(), max_size=3
    ),
    max_size=5,
)


def lines(content: bytes) -> list[tuple[str, object]]:
    return [(place, readable(row)) for place, row in read_json_lines(io.BytesIO(content), "m")]


def array(content: bytes) -> list[tuple[str, object]]:
    return [(place, readable(row)) for place, row in read_json_array(io.BytesIO(content), "m")]


def readable(row: object) -> object:
    return str(row) if isinstance(row, ManifestLineError) else row


def test_lines_are_numbered_as_they_stand() -> None:
    assert lines(b'\xef\xbb\xbf{"a": 1}\r\n\n  \n {"b": "\xc3\xa9"} \n{}') == [
        ("m:1", {"a": 1}),
        ("m:4", {"b": "é"}),
        ("m:5", {}),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        '{"uri": "a.wav"',
        '{"uri": "a.wav"} {"uri": "b.wav"}',
        "{'uri': 'a.wav'}",
        "[" * 100_000,
        '{"uri": ' + "1" * 5000 + "}",
    ],
)
def test_lines_that_are_not_json(line: str) -> None:
    (row,) = read_json_lines(io.BytesIO(line.encode()), "m")
    assert isinstance(row[1], ManifestLineError)
    assert "is not JSON" in str(row[1])


@pytest.mark.parametrize("line", ["[]", "1", "null", '"a.wav"', "true", '["a.wav"]'])
def test_lines_that_are_not_an_object(line: str) -> None:
    assert lines(line.encode()) == [("m:1", "is not a JSON object")]


def test_bytes_that_are_not_utf8_stop_nothing() -> None:
    (_, broken), following = lines(b'{"a": "\xe9"}\n{"a": 1}\n')
    assert broken == "is not UTF-8 (byte 0xe9 at 8); save the manifest as UTF-8"
    assert following == ("m:2", {"a": 1})


def test_an_object_over_several_lines_is_no_manifest() -> None:
    with pytest.raises(ManifestError, match="one object a line"):
        lines(json.dumps({"uri": "a.wav"}, indent=2).encode())


def test_a_line_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_lines, "LONGEST_BYTES", 1 << 20)
    content = b"short\n" + b"x" * (3 << 20) + b"\n" + b"y" * (1 << 20) + b"\nlast"
    first, second, third, last = read_lines(io.BytesIO(content))
    assert (first, last) == ((1, "short\n"), (4, "last"))
    assert [(number, str(line)) for number, line in (second, third)] == [
        (2, "is longer than 1 MiB"),
        (3, "is longer than 1 MiB"),
    ]


def test_a_list() -> None:
    content = b"# calls\n a b.wav \r\n\n\xff\ns3://bucket/c.wav\n#end"
    rows = [(place, readable(row)) for place, row in read_list(io.BytesIO(content), "m")]
    assert rows == [
        ("m:2", {"audio_filepath": "a b.wav"}),
        ("m:4", "is not UTF-8 (byte 0xff at 1); save the manifest as UTF-8"),
        ("m:5", {"audio_filepath": "s3://bucket/c.wav"}),
    ]


@pytest.mark.parametrize("chunk_bytes", [1, 2, 7, 1 << 18])
@pytest.mark.parametrize("indent", [None, 2])
@given(rows=JSON_ROWS)
def test_an_array_holds_what_its_lines_would(
    chunk_bytes: int, indent: int | None, rows: list[dict[str, object]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_lines, "CHUNK_BYTES", chunk_bytes)
        content = json.dumps(rows, indent=indent, ensure_ascii=False).encode()
        assert [row for _, row in array(content)] == rows


def test_elements_of_an_array_stand_where_they_begin() -> None:
    assert array(b'\xef\xbb\xbf\n[\n  {"a": 1},\n\n  {\n  "b": 2},  12345,"x"\n]\n') == [
        ("m:3", {"a": 1}),
        ("m:5", {"b": 2}),
        ("m:6", "is not a JSON object"),
        ("m:6", "is not a JSON object"),
    ]


def test_a_number_may_go_on_in_the_next_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_lines, "CHUNK_BYTES", 3)
    assert len(array(b"[12345, 678]")) == 2


def test_a_comma_after_the_last_element_does_no_harm() -> None:
    assert array(b'[{"a": 1},\n]') == [("m:1", {"a": 1})]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[", "after line 1"),
        (b'[{"a": 1}', "',' is missing before the end"),
        (b'[{"a": 1}\n{"b": 2}]', "after line 2: ',' is missing before '{'"),
        (b'[{"a": 1}]\n\nx', "more after the end"),
        (b'[{"a": "\xe9"}]', "not UTF-8"),
        (b"[" * 5000, "after line 1"),
        (b'[{"a": ' + b"1" * 5000 + b"}]", "after line 1"),
    ],
)
def test_a_broken_array_is_no_manifest(content: bytes, says: str) -> None:
    with pytest.raises(ManifestError, match=r"^m") as caught:
        array(content)
    assert says in str(caught.value)
