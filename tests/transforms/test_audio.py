"""Spans tile their recording exactly, and each kind of bad file says what is wrong with it."""

from __future__ import annotations

import itertools
import os
import struct
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import soundfile
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from transforms.audio import DecodeSpans, PlanSpans
from transforms.audio_plan import AudioPlan, plan_reels, plan_spans, plan_tracks
from transforms.errors import (
    CorruptAudioError,
    EmptyAudioError,
    RecordingError,
    TooShortAudioError,
    TruncatedAudioError,
    UnreadableAudioError,
    UnsupportedAudioError,
    UnsupportedLanguageError,
)
from transforms.records import EACH, Recording, Track, Waveform
from transforms.reel import DecodedSpan, decode_reel
from transforms.resample import resample

MODEL_HZ = 16_000
PLAN = AudioPlan(language="en", model_rate_hz=MODEL_HZ, shortest_s=0.1, span_s=3.0, search_s=0.5)
RATES_HZ = [8000, 11_025, 16_000, 22_050, 44_100, 48_000]
RELAXED = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def noise(count: int, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    """Noise with pauses, so that edges have somewhere to go."""
    random = np.random.default_rng(seed)
    samples = random.uniform(-0.5, 0.5, (count, channels)).astype(np.float32)
    for start in random.integers(0, max(1, count), 8):
        samples[start : start + count // 40] *= 1e-3
    return samples


def write(path: Path, samples: NDArray[np.float32], rate_hz: int, **options: str) -> Recording:
    soundfile.write(path, samples, rate_hz, **options)
    return Recording("r", str(path))


def decode(track: Track, plan: AudioPlan = PLAN) -> list[Waveform]:
    waveforms = []
    for decoded in decode_spans(track, plan):
        assert decoded.error is None
        waveforms += decoded.waveforms
    return waveforms


def decode_spans(track: Track, plan: AudioPlan = PLAN) -> list[DecodedSpan]:
    return [decoded for reel in plan_reels([track], plan) for decoded in decode_reel(reel, plan)]


def joined(waveforms: list[Waveform]) -> NDArray[np.float32]:
    for waveform, following in itertools.pairwise(waveforms):
        assert waveform.start_samples + len(waveform.samples) == following.start_samples
    return np.concatenate([waveform.samples for waveform in waveforms])


def check_tiling(
    recording: Recording, mono: NDArray[np.float32], rate_hz: int, plan: AudioPlan = PLAN
) -> None:
    (track,) = plan_tracks(recording, plan)
    waveforms = decode(track, plan)
    whole = resample(mono, rate_hz, MODEL_HZ)
    tiled = joined(waveforms)
    assert waveforms[0].start_samples == 0
    assert tiled.dtype == np.float32
    assert abs(len(tiled) - len(whole)) <= 1
    inner = slice(400, min(len(tiled), len(whole)) - 400)
    np.testing.assert_allclose(tiled[inner], whole[inner], atol=1e-3)


# -- spans


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_spans_tile_the_recording(tmp_path: Path, rate_hz: int) -> None:
    samples = noise(round(13.37 * rate_hz), channels=2)
    recording = write(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT")
    (track,) = plan_tracks(recording, PLAN)
    assert track.num_spans == 4
    check_tiling(recording, samples.mean(axis=1), rate_hz)


@RELAXED
@given(
    st.one_of(st.sampled_from(RATES_HZ), st.integers(4000, 50_000)),
    st.floats(0.2, 14.0),
    st.integers(0, 99),
)
def test_spans_tile_any_recording(tmp_path: Path, rate_hz: int, seconds: float, seed: int) -> None:
    samples = noise(round(seconds * rate_hz), seed=seed)
    recording = write(tmp_path / "any.wav", samples, rate_hz, subtype="FLOAT")
    check_tiling(recording, samples[:, 0], rate_hz)


@RELAXED
@given(
    st.sampled_from(RATES_HZ),
    st.integers(1, 10**7),
    st.integers(0, 1000),
    st.integers(1, 50),
)
def test_planned_spans_tile_the_track(
    rate_hz: int, length: int, grids: int, num_spans: int
) -> None:
    grid = rate_hz // np.gcd(rate_hz, MODEL_HZ)
    start = int(grids * grid)
    track = Track(
        Recording("r", "r.wav"),
        None,
        rate_hz,
        1,
        start + length,
        start,
        start + length,
        "f",
        num_spans,
    )
    spans = plan_spans([track], PLAN)
    assert [span.index for span in spans] == list(range(num_spans))
    assert (spans[0].start_sample, spans[-1].end_sample) == (start, start + length)
    for span, following in itertools.pairwise(spans):
        assert span.end_sample == following.start_sample
        assert span.end_sample % grid == 0
        assert span.start_sample <= span.end_sample


@pytest.mark.parametrize("suffix", ["flac", "ogg"])
def test_compressed_recordings_tile_as_well(tmp_path: Path, suffix: str) -> None:
    recording = write(tmp_path / f"a.{suffix}", noise(10 * 16_000, channels=2), 16_000)
    samples, _ = soundfile.read(recording.uri, dtype="float32", always_2d=True)
    check_tiling(recording, samples.mean(axis=1), 16_000)


def test_edges_move_to_a_pause(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 6 * 16_000).astype(np.float32)
    samples[43_000:47_000] *= 1e-4
    recording = write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    (track,) = plan_tracks(recording, PLAN)
    _, second = decode(track)
    assert 43_000 < second.start_samples < 47_000


def test_a_seam_does_not_depend_on_the_search_beyond_it(tmp_path: Path) -> None:
    """One span or many: the same samples stand at the same places."""
    samples = noise(12 * 44_100)
    recording = write(tmp_path / "a.wav", samples, 44_100, subtype="FLOAT")
    one = replace(PLAN, span_s=100.0)
    (single,) = plan_tracks(recording, one)
    (many,) = plan_tracks(recording, PLAN)
    assert (single.num_spans, many.num_spans) == (1, 4)
    np.testing.assert_allclose(joined(decode(many)), joined(decode(single, one)), atol=1e-3)


# -- channels


def test_channels(tmp_path: Path) -> None:
    samples = noise(8000, channels=3)
    recording = write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    (mixed,) = plan_tracks(recording, PLAN)
    assert (mixed.channel, mixed.key) == (None, ("r", -1))
    np.testing.assert_allclose(joined(decode(mixed)), samples.mean(axis=1), atol=1e-6)

    each = plan_tracks(replace(recording, channel=EACH), PLAN)
    assert [track.key for track in each] == [("r", 0), ("r", 1), ("r", 2)]
    for number, track in enumerate(each):
        np.testing.assert_array_equal(joined(decode(track)), samples[:, number])

    (second,) = plan_tracks(replace(recording, channel=1), PLAN)
    assert second.key == ("r", 1)
    np.testing.assert_array_equal(joined(decode(second)), samples[:, 1])


@pytest.mark.parametrize("channel", [3, -1, 10**6, "left"])
def test_a_channel_that_is_not_there(tmp_path: Path, channel: int | str) -> None:
    recording = write(tmp_path / "a.wav", noise(8000, channels=3), 16_000)
    with pytest.raises(UnsupportedAudioError, match=r"a\.wav has 3 channel") as caught:
        plan_tracks(replace(recording, channel=channel), PLAN)
    assert repr(channel) in str(caught.value)


# -- stretches


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_a_stretch(tmp_path: Path, rate_hz: int) -> None:
    samples = noise(10 * rate_hz)
    recording = write(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT")
    (track,) = plan_tracks(replace(recording, offset_s=2.0, duration_s=7.0), PLAN)
    assert (track.start_sample, track.end_sample) == (2 * rate_hz, 9 * rate_hz)
    assert track.duration_s == 10.0
    waveforms = decode(track)
    assert len(waveforms) == 2
    assert waveforms[0].start_samples == 2 * MODEL_HZ
    whole = resample(samples[:, 0], rate_hz, MODEL_HZ)[2 * MODEL_HZ : 9 * MODEL_HZ]
    stretch = joined(waveforms)
    assert len(stretch) == len(whole)
    np.testing.assert_allclose(stretch[400:-400], whole[400:-400], atol=1e-3)


@RELAXED
@given(st.floats(0, 4.5), st.none() | st.floats(0.2, 1e6))
def test_any_stretch_stays_within_the_file(
    tmp_path: Path, offset_s: float, duration_s: float | None
) -> None:
    path = tmp_path / "stretch.wav"
    recording = (
        Recording("r", str(path)) if path.exists() else write(path, noise(5 * 11_025), 11_025)
    )
    asked = replace(recording, offset_s=offset_s, duration_s=duration_s)
    (track,) = plan_tracks(asked, PLAN)
    end_s = min(5.0, offset_s + (5.0 if duration_s is None else duration_s))
    assert track.start_sample % 441 == 0
    assert -441 <= track.start_sample - offset_s * 11_025 <= 1
    assert abs(track.end_sample - end_s * 11_025) <= 1
    waveforms = decode(track)
    assert waveforms[0].start_samples == track.start_sample // 441 * 640
    expected = (track.end_sample - track.start_sample) * MODEL_HZ / 11_025
    assert abs(len(joined(waveforms)) - expected) <= 1


@pytest.mark.parametrize(
    ("offset_s", "duration_s"), [(5.0, None), (1e6, None), (4.95, 1.0), (0.0, 0.0), (1.0, 0.05)]
)
def test_a_stretch_that_holds_too_little(
    tmp_path: Path, offset_s: float, duration_s: float | None
) -> None:
    recording = write(tmp_path / "a.wav", noise(5 * 16_000), 16_000)
    with pytest.raises(TooShortAudioError, match=r"a\.wav lasts 5\.000 s"):
        plan_tracks(replace(recording, offset_s=offset_s, duration_s=duration_s), PLAN)


def test_the_shortest_that_the_model_hears(tmp_path: Path) -> None:
    (track,) = plan_tracks(write(tmp_path / "enough.wav", noise(1600), 16_000), PLAN)
    assert track.num_samples == 1600
    with pytest.raises(TooShortAudioError, match=r"short\.wav"):
        plan_tracks(write(tmp_path / "short.wav", noise(1599), 16_000), PLAN)


@pytest.mark.parametrize("language", [None, "en", "EN", "en-GB", "en_US"])
def test_the_models_language(tmp_path: Path, language: str | None) -> None:
    recording = write(tmp_path / "a.wav", noise(8000), 16_000)
    assert len(plan_tracks(replace(recording, language=language), PLAN)) == 1


@pytest.mark.parametrize("language", ["de", "eng", ""])
def test_a_language_that_the_model_does_not_hear(tmp_path: Path, language: str) -> None:
    recording = write(tmp_path / "a.wav", noise(8000), 16_000)
    with pytest.raises(UnsupportedLanguageError, match=r"a\.wav"):
        plan_tracks(replace(recording, language=language), PLAN)


# -- bad files


def wav_bytes(
    rate_hz: int = 16_000, data: bytes | None = b"\x01\x02" * 8000, channels: int = 1
) -> bytes:
    layout = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * 2 * channels, 2 * channels, 16)
    chunks = b"fmt " + struct.pack("<I", len(layout)) + layout
    if data is not None:
        chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def test_a_wav_made_by_hand_can_be_read(tmp_path: Path) -> None:
    """So that the bad ones below are bad for the one thing that was changed."""
    path = tmp_path / "good.wav"
    path.write_bytes(wav_bytes())
    assert len(plan_tracks(Recording("r", str(path)), PLAN)) == 1


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("zero.wav", b"", EmptyAudioError, "0 bytes"),
        ("riff.wav", wav_bytes()[:12], UnreadableAudioError, "not audio"),
        ("riff-size.wav", wav_bytes()[:8], UnreadableAudioError, "not audio"),
        ("no-frames.wav", wav_bytes(data=b""), EmptyAudioError, "no samples"),
        ("no-data.wav", wav_bytes(data=None), RecordingError, "no-data"),
        ("rate.wav", wav_bytes(rate_hz=1_092_676), UnsupportedAudioError, "1092676 Hz"),
        ("slow.wav", wav_bytes(rate_hz=999), UnsupportedAudioError, "999 Hz"),
        ("text.wav", b"This is no audio.\n" * 100, UnreadableAudioError, "not audio"),
        ("text.flac", b"fLaC, or so it says\n" * 100, UnreadableAudioError, "not audio"),
        ("text.mp3", b"ID3 but not really\n" * 100, RecordingError, "text.mp3"),
        ("page.mp3", b"<html><body>404</body></html>", UnreadableAudioError, "not audio"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_file_is_refused_by_its_header(
    tmp_path: Path, name: str, content: bytes, error: type[RecordingError], says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error) as caught:
        plan_tracks(Recording("r", str(path)), PLAN)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder.wav"
    folder.mkdir()
    for uri, says in (
        (str(tmp_path / "missing.wav"), "does not exist"),
        (str(folder), "directory"),
        ("noprotocol://bucket/a.wav", "noprotocol"),
        (f"{tmp_path}/nul\0.wav", "nul"),
    ):
        with pytest.raises(UnreadableAudioError, match=says) as caught:
            plan_tracks(Recording("r", uri), PLAN)
        assert uri in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file(tmp_path: Path) -> None:
    recording = write(tmp_path / "a.wav", noise(8000), 16_000)
    Path(recording.uri).chmod(0)
    with pytest.raises(UnreadableAudioError, match=r"a\.wav"):
        plan_tracks(recording, PLAN)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    samples = noise(8000)
    samples[5000] = value
    recording = write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    (track,) = plan_tracks(recording, PLAN)
    (decoded,) = decode_spans(track)
    assert isinstance(decoded.error, CorruptAudioError)
    assert "nan.wav holds samples that are not finite numbers from 0.312 s" in str(decoded.error)
    (waveform,) = decoded.waveforms
    samples[5000] = 0
    np.testing.assert_array_equal(waveform.samples, samples[:, 0])


def test_nothing_but_samples_that_are_no_numbers(tmp_path: Path) -> None:
    recording = write(tmp_path / "nan.wav", np.full((8000, 1), np.nan), 16_000, subtype="FLOAT")
    (track,) = plan_tracks(recording, PLAN)
    (decoded,) = decode_spans(track)
    assert decoded.waveforms == ()
    assert isinstance(decoded.error, CorruptAudioError)


@pytest.mark.parametrize("kept", [0.2, 0.45, 0.55, 0.6, 0.7, 0.95])
def test_a_truncated_recording_keeps_what_came(tmp_path: Path, kept: float) -> None:
    samples = noise(10 * 16_000)
    path = tmp_path / "broken.flac"
    recording = write(path, samples, 16_000)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    (track,) = plan_tracks(recording, PLAN)
    decoded = decode_spans(track)
    waveforms = [waveform for span in decoded for waveform in span.waveforms]
    errors = [span.error for span in decoded if span.error]
    assert errors
    for error in errors:
        assert isinstance(error, TruncatedAudioError)
        assert str(path) in str(error)
        assert "of 10.000 s" in str(error)
    came = joined(waveforms)
    assert waveforms[0].start_samples == 0
    assert len(came) > 0.2 * kept * len(samples)
    np.testing.assert_allclose(came, samples[: len(came), 0], atol=1e-4)


def test_a_file_that_changes_while_it_is_transcribed(tmp_path: Path) -> None:
    recording = write(tmp_path / "a.wav", noise(8000), 16_000)
    (track,) = plan_tracks(recording, PLAN)
    write(tmp_path / "a.wav", noise(9000), 16_000)
    with pytest.raises(UnreadableAudioError, match=r"a\.wav changed"):
        decode(track)
    (again,) = plan_tracks(recording, PLAN)
    assert again.fingerprint != track.fingerprint


def test_a_touched_file_has_another_fingerprint(tmp_path: Path) -> None:
    recording = write(tmp_path / "a.wav", noise(8000), 16_000)
    (first,) = plan_tracks(recording, PLAN)
    (same,) = plan_tracks(recording, PLAN)
    os.utime(recording.uri, (1, 1))
    (touched,) = plan_tracks(recording, PLAN)
    assert first.fingerprint == same.fingerprint != touched.fingerprint


def test_a_file_that_goes_away(tmp_path: Path) -> None:
    recording = write(tmp_path / "a.wav", noise(8000), 16_000)
    (track,) = plan_tracks(recording, PLAN)
    Path(recording.uri).unlink()
    with pytest.raises(UnreadableAudioError, match=r"a\.wav does not exist"):
        decode(track)


# -- transforms


def test_the_transforms_turn_errors_into_failures(tmp_path: Path) -> None:
    good = replace(
        write(tmp_path / "good.wav", noise(6 * 16_000, channels=2), 16_000), id="good", channel=EACH
    )
    samples = np.full((8000, 1), np.nan)
    corrupt = replace(write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT"), id="corrupt")
    missing = Recording("missing", str(tmp_path / "missing.wav"))
    with Pipeline(runner="FnApiRunner") as pipeline:
        planned = pipeline | beam.Create([good, corrupt, missing]) | PlanSpans(PLAN)
        decoded = planned.reels | DecodeSpans(PLAN)
        assert_that(
            planned.tracks | "Keys" >> beam.Map(lambda track: track.key),
            equal_to([("good", 0), ("good", 1), ("corrupt", -1)]),
            label="tracks",
        )
        assert_that(
            decoded.waveforms | beam.Map(lambda w: (*w.tracks[0].key, w.span_index)),
            equal_to([("good", 0, 0), ("good", 0, 1), ("good", 1, 0), ("good", 1, 1)]),
            label="waveforms",
        )
        failures = (planned.failures, decoded.failures) | beam.Flatten()
        assert_that(
            failures | "Faults" >> beam.Map(lambda f: (*f.key, f.stage, f.error_type)),
            equal_to(
                [
                    ("missing", -1, "plan", "UnreadableAudioError"),
                    ("corrupt", -1, "decode", "CorruptAudioError"),
                ]
            ),
            label="failures",
        )


def cut_wav(folder: Path, promised_bytes: int | None = None) -> Recording:
    """Two seconds at 16 kHz, of which the file holds one and a quarter."""
    recording = write(folder / "cut.wav", noise(32_000, seed=5), 16_000)
    data = bytearray((folder / "cut.wav").read_bytes()[: 44 + 2 * 20_000])
    if promised_bytes is not None:
        data[40:44] = promised_bytes.to_bytes(4, "little")
    (folder / "cut.wav").write_bytes(bytes(data))
    return recording


def test_a_cut_wav_keeps_what_is_there_and_says_so(tmp_path: Path) -> None:
    (track,) = plan_tracks(cut_wav(tmp_path), PLAN)
    assert (track.num_samples, track.missing_samples) == (20_000, 12_000)
    (decoded,) = decode_spans(track)
    assert len(decoded.waveforms[0].samples) == 20_000
    assert isinstance(decoded.error, TruncatedAudioError)
    assert "breaks off at 1.250 s; its header promises 2.000 s" in str(decoded.error)


def test_a_stretch_before_the_cut_is_whole(tmp_path: Path) -> None:
    recording = replace(cut_wav(tmp_path), offset_s=0.5, duration_s=0.75)
    (track,) = plan_tracks(recording, PLAN)
    assert (track.end_sample, track.missing_samples) == (20_000, 0)


@pytest.mark.parametrize("promised_bytes", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_streamed_wav_promises_nothing(tmp_path: Path, promised_bytes: int) -> None:
    (track,) = plan_tracks(cut_wav(tmp_path, promised_bytes), PLAN)
    assert (track.num_samples, track.missing_samples) == (20_000, 0)


def test_an_error_speaks_of_the_file_and_not_of_python(tmp_path: Path) -> None:
    (tmp_path / "letter.wav").write_text("dear reader")
    with pytest.raises(UnreadableAudioError) as caught:
        plan_tracks(Recording("letter", str(tmp_path / "letter.wav")), PLAN)
    assert "object at" not in str(caught.value)
