"""Every row of a manifest becomes one recording or one failure, whatever stands in it."""

from __future__ import annotations

from dataclasses import astuple
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import ManifestLineError
from transforms.manifest_dialect import AUDIO_COLUMNS, URI_FIELDS
from transforms.manifest_row import (
    ID_FIELDS,
    KNOWN_FIELDS,
    LANGUAGE_FIELDS,
    failure_at,
    parse_row,
)
from transforms.records import EACH, MIX, Failure, Recording
from transforms.uris import Folder

PLACE = "/data/m.jsonl:7"
DATA = Folder("/data")


def parse(fields: dict[str, Any]) -> Recording:
    item = parse_row(fields, PLACE, DATA)
    assert isinstance(item, Recording), item
    return item


def refuse(fields: dict[str, Any]) -> Failure:
    item = parse_row(fields, PLACE, DATA)
    assert isinstance(item, Failure), item
    assert item.stage == "manifest"
    assert item.error_type == "ManifestLineError"
    assert item.message.startswith(f"{PLACE}: ")
    assert item.recording.id == PLACE
    assert item.key == (PLACE, -1)
    return item


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
            "hotwords": ["hama"],
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
        hotwords=("hama",),
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
    failure = refuse({"uri": "a.wav", "channel": channel})
    assert "`channel`" in failure.message


@pytest.mark.parametrize("name", ["offset", "duration"])
@pytest.mark.parametrize(
    "value",
    [
        *(-1, -0.001, 1e9, 1e10, 10**400, float("nan"), float("inf"), True, [], {}),
        *("", " ", "-1", "nan", "inf", "1e999", "1_000", "0x10", "1,5", "1.5 s", "one", "١", "."),
        *(Decimal("NaN"), Decimal("sNaN"), Decimal("-1"), Decimal("1e99999")),
    ],
)
def test_seconds_that_make_no_sense(name: str, value: object) -> None:
    failure = refuse({"uri": "a.wav", name: value})
    assert f"`{name}` is" in failure.message
    assert ("with a point" in failure.message) == (value == "1,5")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((1.5, 1.5), (2, 2.0), (0, 0.0), (Decimal("1.25"), 1.25)),
        *(("1.5", 1.5), (" 2 ", 2.0), ("2.", 2.0), (".5", 0.5), ("+1e2", 100.0), ("1E-3", 0.001)),
    ],
)
def test_seconds_as_numbers_or_as_text(value: object, seconds: float) -> None:
    item = parse({"uri": "a.wav", "offset": value, "duration": value})
    assert (item.offset_s, item.duration_s) == (seconds, seconds)


@pytest.mark.parametrize(
    ("value", "hotwords"),
    [
        (None, ()),
        ([], ()),
        ("", ()),
        (["Hama", "Pemberley  Hall", "Hama", " "], ("Hama", "Pemberley Hall")),
        ("Hama, Pemberley Hall,,", ("Hama", "Pemberley Hall")),
        ("Hama|Bath, Somerset", ("Hama", "Bath, Somerset")),
    ],
)
def test_hotwords(value: object, hotwords: tuple[str, ...]) -> None:
    assert parse({"uri": "a.wav", "hotwords": value}).hotwords == hotwords


@pytest.mark.parametrize("value", [3, ["a", 3], {"a": 1.0}, [["a"]], True])
def test_hotwords_that_make_no_sense(value: object) -> None:
    assert "`hotwords` is" in refuse({"uri": "a.wav", "hotwords": value}).message


@pytest.mark.parametrize("name", ["id", "language", "text"])
@pytest.mark.parametrize("value", [True, ["x"], {"x": 1}])
def test_text_that_is_none(name: str, value: object) -> None:
    assert f"`{name}` is" in refuse({"uri": "a.wav", name: value}).message


@pytest.mark.parametrize(
    "fields",
    [
        {"uri": "\ud800.wav"},
        {"uri": "a.wav", "speaker": "\udfff"},
        {"uri": "a.wav", "\ud800": 1},
        {"uri": "a.wav", "hotwords": ["\ud800"]},
        {"uri": "a.wav", "text": "\ud800"},
        {"uri": "a.wav", "id": "\ud800"},
    ],
)
def test_half_a_surrogate_pair_cannot_be_stored(fields: dict[str, Any]) -> None:
    assert "not Unicode" in refuse(fields).message


def test_a_row_that_could_not_be_read_is_a_failure() -> None:
    item = parse_row(ManifestLineError("is not JSON"), PLACE, DATA)
    assert item == failure_at(PLACE, "is not JSON")


def test_a_failure_can_be_stored_wherever_it_stands() -> None:
    failure = failure_at("/data/\udcff.jsonl:1", "is \ud800")
    (failure.message + failure.recording.id).encode()


def test_a_prefix_goes_before_ids_that_are_paths_alone() -> None:
    named = {"uri": "a.wav", "id": "one"}
    assert parse_row({"uri": "a.wav"}, PLACE, DATA, "sub/") == Recording("sub/a.wav", "/data/a.wav")
    assert parse_row(named, PLACE, DATA, "sub/") == Recording("one", "/data/a.wav")


@pytest.mark.parametrize(
    "fields",
    [
        *({}, {"text": "hama"}, {"uri": None}, {"uri": ""}),
        *({"uri": 3}, {"uri": ["a.wav"]}, {"uri": {"path": "a.wav"}}),
    ],
)
def test_lines_without_audio(fields: dict[str, object]) -> None:
    assert "`audio_filepath`" in refuse(fields).message


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


OTHER_FIELDS = {
    *(*AUDIO_COLUMNS, "sentence", "transcription", "locale", "client_id"),
    *("supervisions", "start", "tracks", "type"),
}
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


@given(
    st.dictionaries(
        st.sampled_from(sorted({*KNOWN_FIELDS, *OTHER_FIELDS}))
        | st.text(ANY_CHARACTER, max_size=4),
        ANY_JSON,
        max_size=8,
    ),
    st.booleans(),
)
def test_no_row_raises(fields: dict[str, Any], named: bool) -> None:
    if named:
        fields["audio_filepath"] = "a.wav"
    check_storable(parse_row(fields, PLACE, DATA))
