"""What a job would find, against files made for it."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pipeline import survey
from pipeline.config import CONTEXT_S, TranscriptionConfig
from pipeline.survey import HEADERS_AHEAD, read_headers, segment_lengths_s, survey_sources
from transforms.records import Failure, Recording, Track
from transforms.segment import FIXED, QUIET, Segmentation


def write_archive(folder: Path) -> str:
    """Three formats, two rates, one and two channels, and four ways to fail."""
    soundfile.write(folder / "a.wav", np.zeros(16_000), 16_000)
    soundfile.write(folder / "b.flac", np.zeros((80_000, 2)), 8_000)
    soundfile.write(folder / "c.WAV", np.zeros(16_000 * 65), 16_000)
    (folder / "bad.wav").write_bytes(b"not a recording")
    rows = [
        {"uri": "a.wav"},
        {"uri": "b.flac", "channel": "each", "language": "en-GB"},
        {"uri": "b.flac", "id": "stretch", "offset": 1, "duration": 2.5},
        {"uri": "c.WAV"},
        {"uri": "missing-1.wav"},
        {"uri": "missing-22.wav"},
        {"uri": "bad.wav"},
        {"uri": "a.wav", "id": "de", "language": "de"},
        {"uri": "a.wav", "offset": -1},
    ]
    manifest = folder / "m.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return str(manifest)


def config(*sources: str) -> TranscriptionConfig:
    return TranscriptionConfig(sources=sources, output="out", workers=1)


def test_counts_and_seconds(tmp_path: Path) -> None:
    counted: list[int] = []
    found = survey_sources(config(write_archive(tmp_path)), lambda track: False, counted.append)
    assert counted == list(range(1, 10))
    assert (found.recordings, found.unreadable, found.tracks) == (9, 5, 5)
    assert found.audio_s == pytest.approx(1 + 2 * 10 + 2.5 + 65)
    assert (found.tracks_done, found.audio_done_s) == (0, 0.0)
    assert {name: share.recordings for name, share in found.formats.items()} == {
        "wav": 2,
        "flac": 2,
    }
    assert {rate: share.audio_s for rate, share in found.sample_rates_hz.items()} == {
        16_000: pytest.approx(66),
        8_000: pytest.approx(22.5),
    }
    assert {number: share.recordings for number, share in found.channels.items()} == {1: 2, 2: 2}
    assert {name: share.recordings for name, share in found.languages.items()} == {
        "en": 3,
        "en-GB": 1,
    }


def test_faults_of_one_kind_are_one(tmp_path: Path) -> None:
    found = survey_sources(config(write_archive(tmp_path)), lambda track: False, lambda count: None)
    assert {(kind, fault.count) for (kind, _), fault in found.faults.items()} == {
        ("UnreadableAudioError", 2),
        ("UnreadableAudioError", 1),
        ("UnsupportedLanguageError", 1),
        ("ManifestLineError", 1),
    }
    missing = found.faults["UnreadableAudioError", "does not exist"]
    assert missing.examples == [
        f"{tmp_path}/missing-1.wav does not exist",
        f"{tmp_path}/missing-22.wav does not exist",
    ]


def test_reasons_are_not_more_than_anyone_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "MOST_REASONS", 2)
    rows = [{"uri": "a.wav", "id": str(n), "language": "qrs"[n % 3] * (n + 1)} for n in range(9)]
    (tmp_path / "m.json").write_text(json.dumps(rows))
    found = survey_sources(
        config(str(tmp_path / "m.json")), lambda track: False, lambda count: None
    )
    assert [fault.count for fault in found.faults.values()] == [1, 1, 7]
    assert len(found.faults["UnsupportedLanguageError", survey.OTHER_REASONS].examples) == 3


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    def done(track: Track) -> bool:
        return track.recording.id == "a.wav" or track.channel == 1

    found = survey_sources(config(write_archive(tmp_path)), done, lambda count: None)
    assert (found.tracks, found.tracks_done) == (5, 2)
    assert found.audio_done_s == pytest.approx(1 + 10)
    assert found.audio_to_do_s == pytest.approx(10 + 2.5 + 65)
    overlaps_s = 2 * 2 * CONTEXT_S
    assert found.batches.audio_s == pytest.approx(10 + 2.5 + 65 + overlaps_s)
    sampled = [track.key for tracks in found.sample for track in tracks]
    assert sampled == [("b.flac", 0), ("stretch", -1), ("c.WAV", -1)]


def test_batches_hold_what_is_to_do_within_their_budget(tmp_path: Path) -> None:
    for number in range(30):
        soundfile.write(tmp_path / f"{number}.wav", np.zeros(8_000 * (number % 12 + 1)), 8_000)
    found = survey_sources(config(str(tmp_path)), lambda track: False, lambda count: None)
    batches = found.batches
    assert batches.segments == 30
    assert batches.audio_s == pytest.approx(found.audio_s)
    assert batches.audio_s <= batches.padded_s <= batches.count * 40.0
    assert batches.padding == pytest.approx(1 - batches.audio_s / batches.padded_s)


def test_the_sample_is_drawn_from_everything(tmp_path: Path) -> None:
    for number in range(200):
        soundfile.write(tmp_path / f"{number:03}.wav", np.zeros(8_000), 8_000)
    found = survey_sources(config(str(tmp_path)), lambda track: False, lambda count: None)
    drawn = [int(tracks[0].recording.id.removesuffix(".wav")) for tracks in found.sample]
    assert len(drawn) == len(set(drawn)) == survey.SAMPLE_SIZE
    assert min(drawn) < 50
    assert max(drawn) >= 150


def test_headers_keep_their_order_and_are_read_a_little_ahead() -> None:
    taken = itertools.count(1)
    last = 0

    def items() -> Iterator[Recording]:
        nonlocal last
        while True:
            last = next(taken)
            yield Recording(str(last), "memory://nothing-here.wav")

    headers = read_headers(items(), config("-").audio_plan)
    threads_before = threading.active_count()
    for number in range(1, 300):
        recording, found = next(headers)
        assert recording.id == str(number)
        assert isinstance(found, Failure)
        assert last - number < HEADERS_AHEAD
    headers.close()
    assert threading.active_count() <= threads_before


@given(audio_s=st.floats(0.05, 20_000), longest_s=st.floats(1, 30))
def test_a_recording_is_cut_into_pieces_that_the_model_can_hear(
    audio_s: float, longest_s: float
) -> None:
    shortest_s = min(1.0, longest_s / 4)
    segmentation = Segmentation(QUIET, 320, 16_000, longest_s=longest_s, shortest_s=shortest_s)
    lengths = segment_lengths_s(audio_s, segmentation)
    assert sum(lengths) == pytest.approx(audio_s)
    assert max(lengths) <= longest_s
    assert min(lengths) > 0
    if audio_s > segmentation.shortest_s:
        assert min(lengths) >= segmentation.shortest_s * 0.999


@given(audio_s=st.floats(0.05, 20_000))
def test_windows_overlap(audio_s: float) -> None:
    segmentation = Segmentation(FIXED, 320, 16_000)
    lengths = segment_lengths_s(audio_s, segmentation)
    assert max(lengths) <= segmentation.longest_s
    overlaps_s = 2 * segmentation.context_s * (len(lengths) - 1)
    assert sum(lengths) == pytest.approx(audio_s + overlaps_s, abs=0.02)
