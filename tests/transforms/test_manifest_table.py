"""Tables of text, as spreadsheets, pandas and Common Voice write them."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import ManifestError, ManifestLineError
from transforms.manifest_table import MOST_LINES_A_ROW, looks_like_table, read_table

CELL = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=6)


def rows(content: bytes | str) -> list[tuple[str, object]]:
    stream = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return [
        (place, str(row) if isinstance(row, ManifestLineError) else row)
        for place, row in read_table(stream, "m")
    ]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_dialects(delimiter: str, newline: str, mark: str) -> None:
    table = [
        ["uri", "text", "a,b;c", "offset"],
        ["a.wav", '"he, could; ""wait"""', "", "1.5"],
        ["", "", "", ""],
        [],
        ["b.wav", '"two\nlines"', "x", ""],
        ["c.wav", "x", "", ""],
    ]
    table[0][2] = f'"{table[0][2]}"'
    content = newline.join(delimiter.join(cells) for cells in table)
    assert rows(mark + content) == [
        ("m:2", {"uri": "a.wav", "text": 'he, could; "wait"', "offset": "1.5"}),
        ("m:5", {"uri": "b.wav", "text": "two\nlines", "a,b;c": "x"}),
        ("m:7", {"uri": "c.wav", "text": "x"}),
    ]


def test_one_column() -> None:
    assert rows("uri\na.wav\nb.wav") == [("m:2", {"uri": "a.wav"}), ("m:3", {"uri": "b.wav"})]


def test_the_index_of_pandas_is_left_out() -> None:
    assert rows(",uri\n0,a.wav\n") == [("m:2", {"uri": "a.wav"})]


def test_common_voice_knows_no_quotes() -> None:
    header = "client_id\tpath\tsentence\tlocale\n"
    assert rows(f'{header}c\ta.mp3\t"Er konnte\tde\nc\tb.mp3\tSagte "sie"\tde\n') == [
        ("m:2", {"client_id": "c", "path": "a.mp3", "sentence": '"Er konnte', "locale": "de"}),
        ("m:3", {"client_id": "c", "path": "b.mp3", "sentence": 'Sagte "sie"', "locale": "de"}),
    ]


def test_a_quote_that_nobody_closes_costs_its_own_line_alone() -> None:
    content = 'uri,text\na.wav,"he could\nb.wav,wait\nc.wav,"no" longer\nd.wav,x\n'
    first, second, third, fourth = rows(content)
    assert first[0] == "m:2"
    assert str(first[1]).startswith("is no CSV")
    assert second == ("m:3", {"uri": "b.wav", "text": "wait"})
    assert third[0] == "m:4"
    assert str(third[1]).startswith("is no CSV")
    assert fourth == ("m:5", {"uri": "d.wav", "text": "x"})


def test_a_quote_over_too_many_lines_is_given_up() -> None:
    content = 'uri,text\na.wav,"x\n' + "b.wav,x\n" * (2 * MOST_LINES_A_ROW)
    broken, *others = rows(content)
    assert "lines do not close" in str(broken[1])
    assert [place for place, _ in others] == [f"m:{3 + n}" for n in range(2 * MOST_LINES_A_ROW)]


def test_lines_that_are_not_utf8_cost_themselves_alone() -> None:
    content = b'uri,text\na.wav,\xe9\nb.wav,"x\n\xe9\n"\nc.wav,\xc3\xa9\n'
    found = rows(content)
    assert [place for place, _ in found] == ["m:2", "m:3", "m:4", "m:5", "m:6"]
    assert "not UTF-8" in str(found[0][1])
    assert found[-1] == ("m:6", {"uri": "c.wav", "text": "é"})


@pytest.mark.parametrize(("line", "count"), [("a.wav", 1), ("a.wav,x,y", 3)])
def test_rows_of_another_width(line: str, count: int) -> None:
    assert rows(f"uri,text\n{line}\n") == [("m:2", f"has {count} fields; the header has 2")]


@pytest.mark.parametrize("content", ["", "\n \n", "uri,text\n"])
def test_no_rows(content: str) -> None:
    assert rows(content) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a.wav,x\nb.wav,y\n", "no column that names audio: its header names 'a.wav', 'x'"),
        ("Path,Text\n", "its header names 'Path', 'Text'; one must be called audio_filepath"),
        ("uri,text,text\n", "two columns 'text'"),
        (b"uri,\xe9\n", "m:1: the header is not UTF-8 (byte 0xe9"),
        ("uri,text\n".encode("utf-16-le"), "perhaps UTF-16"),
    ],
)
def test_headers_that_cannot_be_used(content: bytes | str, says: str) -> None:
    with pytest.raises(ManifestError) as caught:
        rows(content)
    assert says in str(caught.value)
    assert str(caught.value).startswith("m")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("audio_filepath,text", True),
        ("text\tpath", True),
        ("file_name", True),
        ("archive/a.wav", False),
        ("my path, and more", False),
        ("", False),
    ],
)
def test_what_looks_like_a_table(line: str, answer: bool) -> None:
    assert looks_like_table(line) == answer


@given(
    cells=st.lists(st.tuples(CELL, CELL), max_size=6),
    delimiter=st.sampled_from(",;\t"),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_what_python_writes_is_read_back(
    cells: list[tuple[str, str]], delimiter: str, newline: str
) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=newline)
    writer.writerow(["uri", "text"])
    writer.writerows(cells)
    expected = [
        {name: cell for name, cell in zip(("uri", "text"), pair, strict=True) if cell}
        for pair in cells
        if any(pair)
    ]
    assert [row for _, row in rows(buffer.getvalue())] == expected
