"""Manifests as other tools write them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.test_manifest_row import ANY_JSON
from transforms.manifest_row import parse_row
from transforms.records import EACH, MIX, Failure, Recording
from transforms.uris import Folder

SOURCE = {"type": "file", "channels": [0], "source": "calls/a.wav"}
RECORDING = {
    "id": "a",
    "sources": [SOURCE],
    "sampling_rate": 8000,
    "num_samples": 16000,
    "duration": 2.0,
    "channel_ids": [0],
}
STEREO = {
    **RECORDING,
    "sources": [{**SOURCE, "channels": [0, 1]}],
    "channel_ids": [0, 1],
}
CUT: dict[str, Any] = {
    "id": "a-1",
    "start": 0.5,
    "duration": 1.0,
    "channel": 0,
    "supervisions": [
        {"id": "s1", "recording_id": "a", "start": 0, "text": "he could", "language": "en"},
        {"id": "s2", "recording_id": "a", "start": 1, "text": "wait", "language": "en"},
        {"id": "s3", "recording_id": "a", "start": 1},
    ],
    "recording": RECORDING,
    "type": "MonoCut",
}


def parse(fields: dict[str, Any]) -> Recording:
    item = parse_row(fields, "m:1", Folder("/data"))
    assert isinstance(item, Recording), item
    return item


def refuse(fields: dict[str, Any]) -> str:
    item = parse_row(fields, "m:1", Folder("/data"))
    assert isinstance(item, Failure), item
    return item.message


def test_nemo() -> None:
    item = parse(
        {
            "audio_filepath": "a.wav",
            "duration": 2.085,
            "offset": None,
            "text": "he could",
            "lang": "en",
            "pred_text": "he good",
        }
    )
    assert item == Recording(
        "a.wav",
        "/data/a.wav",
        duration_s=2.085,
        language="en",
        reference="he could",
        metadata=(("pred_text", "he good"),),
    )


@pytest.mark.parametrize("name", ["text", "transcription", "sentence"])
@pytest.mark.parametrize("audio", ["file_name", "audio"])
def test_hugging_face(audio: str, name: str) -> None:
    assert parse({audio: "train/a.mp3", name: "he could", "speaker": "7"}) == Recording(
        "train/a.mp3",
        "/data/train/a.mp3",
        reference="he could",
        metadata=(("speaker", "7"),),
    )


def test_hugging_face_takes_the_first_text_and_keeps_the_others() -> None:
    item = parse({"file_name": "a.mp3", "sentence": "He could.", "transcription": "he could"})
    assert item.reference == "he could"
    assert item.metadata == (("sentence", "He could."),)


def test_hugging_face_audio_as_an_object() -> None:
    assert parse({"audio": {"path": "a.mp3", "bytes": None}, "sentence": "x"}).uri == "/data/a.mp3"
    assert "holds the audio itself" in refuse({"audio": {"path": "a.mp3", "bytes": "UklGRg=="}})
    assert "holds the audio itself" in refuse({"audio": {"array": [0.0], "sampling_rate": 8000}})


def test_common_voice() -> None:
    item = parse(
        {
            "client_id": "c",
            "path": "a.mp3",
            "sentence": "Er konnte.",
            "locale": "de",
            "up_votes": "2",
        }
    )
    assert item == Recording(
        "a.mp3",
        "/data/a.mp3",
        language="de",
        reference="Er konnte.",
        metadata=(("client_id", "c"), ("up_votes", "2")),
    )


def test_a_path_with_a_sentence_alone_is_our_own() -> None:
    item = parse({"path": "a.mp3", "sentence": "x"})
    assert item.reference is None
    assert item.metadata == (("sentence", "x"),)


def test_a_lhotse_recording_is_not_limited_by_its_own_duration() -> None:
    assert parse(RECORDING) == Recording(
        "a",
        "/data/calls/a.wav",
        metadata=(("sampling_rate", "8000"), ("num_samples", "16000"), ("channel_ids", "[0]")),
    )
    url = {**SOURCE, "type": "url", "source": "s3://bucket/a.wav"}
    assert parse({**RECORDING, "sources": [url]}).uri == "s3://bucket/a.wav"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sources": []}, "0 lhotse sources"),
        ({"sources": [SOURCE, SOURCE]}, "2 lhotse sources"),
        ({"sources": ["a.wav"]}, "must lie in one file"),
        ({"sources": [{**SOURCE, "type": "command"}]}, "type 'command'"),
        ({"sources": [{**SOURCE, "type": "memory"}]}, "type 'memory'"),
        ({"sources": [{**SOURCE, "source": 3}]}, "only `file` and `url`"),
        ({"transforms": [{"name": "Speed", "kwargs": {"factor": 1.1}}]}, "transform the audio"),
    ],
)
def test_lhotse_recordings_that_cannot_be_read(changes: dict[str, Any], says: str) -> None:
    assert says in refuse({**RECORDING, **changes})


def test_what_lhotse_would_resample_is_read_as_it_is_stored() -> None:
    change = {"name": "Resample", "kwargs": {"source_sampling_rate": 8000}}
    assert parse({**RECORDING, "transforms": [change]}).uri == "/data/calls/a.wav"
    assert parse({**RECORDING, "transforms": None}).uri == "/data/calls/a.wav"


def test_texts_of_several_channels_are_no_reference() -> None:
    said = [{"text": "he could", "channel": 0}, {"text": "no longer", "channel": 1}]
    cut = {**CUT, "recording": STEREO, "channel": [0, 1], "supervisions": said}
    assert parse(cut).reference is None
    assert parse({**cut, "channel": 0, "supervisions": said[:1]}).reference == "he could"


def test_a_lhotse_cut() -> None:
    assert parse(CUT) == Recording(
        "a-1",
        "/data/calls/a.wav",
        offset_s=0.5,
        duration_s=1.0,
        language="en",
        reference="he could wait",
    )


@pytest.mark.parametrize(
    ("recording", "channel", "ours"),
    [
        (RECORDING, 0, MIX),
        (RECORDING, [0], MIX),
        ({**RECORDING, "channel_ids": [1]}, 1, MIX),
        (STEREO, 0, 0),
        (STEREO, 1, 1),
        (STEREO, [1], 1),
        (STEREO, [0, 1], EACH),
        (STEREO, None, MIX),
    ],
)
def test_channels_of_a_lhotse_cut(
    recording: dict[str, Any], channel: object, ours: str | int
) -> None:
    assert parse({**CUT, "recording": recording, "channel": channel}).channel == ours


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"id": "x", "type": "MixedCut", "tracks": [{"cut": CUT}]}, "MixedCut"),
        ({**CUT, "supervisions": "none"}, "no list of objects"),
        ({**CUT, "recording": {**STEREO, "channel_ids": [0, 1, 2]}, "channel": [0, 1]}, "or all"),
        ({**CUT, "start": -1}, "`offset`"),
    ],
)
def test_lhotse_cuts_that_cannot_be_read(fields: dict[str, Any], says: str) -> None:
    assert says in refuse(fields)


@given(
    st.sampled_from(["cut", "recording", "source", "supervision"]),
    st.sampled_from(sorted({*CUT, *RECORDING, *SOURCE, "transforms", "text", "language"})),
    ANY_JSON,
)
def test_no_damage_to_a_cut_raises(where: str, name: str, value: Any) -> None:
    cut = copy.deepcopy(CUT)
    part = {
        "cut": cut,
        "recording": cut["recording"],
        "source": cut["recording"]["sources"][0],
        "supervision": cut["supervisions"][0],
    }[where]
    part[name] = value
    item = parse_row(cut, "m:1", Folder("/data"))
    assert isinstance(item, Recording) or item.error_type == "ManifestLineError"
