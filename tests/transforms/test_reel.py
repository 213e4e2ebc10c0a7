"""Spans of one reel or of many are the same; channels stay apart; what breaks is kept and said."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.transforms.encoding import chirps, encode
from transforms.amplitude import LOUDNESS, PEAK
from transforms.audio_plan import AudioPlan, plan_reels, plan_spans, plan_tracks
from transforms.errors import CorruptAudioError, TruncatedAudioError
from transforms.records import EACH, MIX, Recording, Reel, Track, Waveform
from transforms.reel import DecodedSpan, decode_reel, with_gains

MODEL_HZ = 16_000
PLAN = AudioPlan(language="en", model_rate_hz=MODEL_HZ, shortest_s=0.1, span_s=3.0, search_s=0.5)


def noise(count: int, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    samples = random.uniform(-0.5, 0.5, (count, channels)).astype(np.float32)
    for start in random.integers(0, count, 8):
        samples[start : start + count // 40] *= 1e-3
    return samples


def recording(path: Path, channel: str | int = MIX) -> Recording:
    return Recording("r", str(path), channel=channel)


def write(path: Path, samples: NDArray[np.float32], rate_hz: int = 16_000) -> Path:
    soundfile.write(path, samples, rate_hz, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


def decode(tracks: list[Track], plan: AudioPlan = PLAN) -> list[DecodedSpan]:
    return [decoded for reel in plan_reels(tracks, plan) for decoded in decode_reel(reel, plan)]


def waveforms(tracks: list[Track], plan: AudioPlan = PLAN) -> list[Waveform]:
    spans = decode(tracks, plan)
    assert [span.error for span in spans] == [None] * len(spans)
    return [waveform for span in spans for waveform in span.waveforms]


def joined(parts: list[Waveform]) -> NDArray[np.float32]:
    for part, following in itertools.pairwise(parts):
        assert part.start_samples + len(part.samples) == following.start_samples
    return np.concatenate([part.samples for part in parts])


def sound_of(path: Path, channel: str | int = MIX, plan: AudioPlan = PLAN) -> NDArray[np.float32]:
    return joined(waveforms(plan_tracks(recording(path, channel), plan), plan))


# -- one pass or many


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_one_reel_or_many(tmp_path: Path, suffix: str, rate_hz: int) -> None:
    path = write(tmp_path / f"a.{suffix}", noise(13 * rate_hz, 2), rate_hz)
    tracks = plan_tracks(recording(path, EACH), PLAN)
    assert len(plan_reels(tracks, PLAN)) == 4
    many = waveforms(tracks)
    one = [
        waveform
        for decoded in decode_reel(Reel(tuple(plan_spans(tracks, PLAN))), PLAN)
        for waveform in decoded.waveforms
    ]
    assert len(one) == len(many) == 8
    for single, part in zip(one, many, strict=True):
        assert (single.tracks, single.span_index) == (part.tracks, part.span_index)
        assert single.start_samples == part.start_samples
        np.testing.assert_allclose(single.samples, part.samples, atol=1e-6)


@pytest.mark.parametrize(
    ("muxer", "coder"),
    [("mp3", "libmp3lame"), ("ipod", "aac"), ("webm", "libopus"), ("adts", "aac")],
)
def test_what_is_read_in_one_pass_is_tiled_as_well(tmp_path: Path, muxer: str, coder: str) -> None:
    path = encode(tmp_path / "a", noise(10 * 48_000), muxer, coder, 48_000)
    tracks = plan_tracks(recording(path), PLAN)
    (reel,) = plan_reels(tracks, PLAN)
    assert len(reel.spans) == 3
    tiled = joined(waveforms(tracks))
    whole = sound_of(path, plan=replace(PLAN, span_s=100.0))
    assert abs(len(tiled) - len(whole)) <= 1
    count = min(len(tiled), len(whole))
    np.testing.assert_allclose(tiled[:count], whole[:count], atol=1e-5)


# -- channels


def test_channels_do_not_bleed(tmp_path: Path) -> None:
    """Each channel of a file is what a file of its own would be, cut at the same places."""
    two = noise(10 * 16_000, 2)
    stereo = write(tmp_path / "two.wav", two)
    both = waveforms(plan_tracks(recording(stereo, EACH), PLAN))
    for channel in (0, 1):
        mono = write(tmp_path / f"{channel}.wav", two[:, channel])
        alone = waveforms(plan_tracks(recording(mono), PLAN))
        ours = [part for part in both if part.tracks[0].channel == channel]
        assert [part.start_samples for part in ours] == [part.start_samples for part in alone]
        np.testing.assert_array_equal(joined(ours), joined(alone))
        np.testing.assert_array_equal(sound_of(stereo, channel), joined(alone))


def test_identical_channels_share_a_waveform(tmp_path: Path) -> None:
    one, other = noise(10 * 16_000)[:, 0], noise(10 * 16_000, seed=1)[:, 0]
    path = write(tmp_path / "a.wav", np.stack([one, other, one], axis=1))
    parts = waveforms(plan_tracks(recording(path, EACH), PLAN))
    channels = [tuple(track.channel for track in part.tracks) for part in parts]
    assert channels == [(0, 2), (1,)] * 3


def test_channels_share_only_the_spans_in_which_they_are_identical(tmp_path: Path) -> None:
    samples = np.repeat(noise(10 * 16_000), 2, axis=1)
    samples[-1, 1] += 1e-4
    path = write(tmp_path / "a.wav", samples)
    parts = waveforms(plan_tracks(recording(path, EACH), PLAN))
    assert [len(part.tracks) for part in parts] == [2, 2, 1, 1]


def test_a_mix_in_opposite_phase_keeps_the_voice(tmp_path: Path) -> None:
    voice = noise(10 * 16_000)
    path = write(tmp_path / "a.wav", np.concatenate([voice, -voice], axis=1))
    np.testing.assert_array_equal(sound_of(path), voice[:, 0])


def test_many_channels_make_short_spans() -> None:
    plan = AudioPlan(language="en", model_rate_hz=MODEL_HZ, shortest_s=0.1)
    assert plan.span_samples(48_000, 2) == plan.span_samples(48_000, 1) == 300 * 48_000
    assert plan.span_samples(48_000, 256) * 256 <= 2**26
    assert plan.span_samples(192_000, 32) * 32 <= 2**26


# -- what is broken


def test_a_break_in_the_middle_keeps_both_sides(tmp_path: Path) -> None:
    """FLAC frames say where they belong, so what follows the break is where it was."""
    samples = noise(12 * 16_000)
    path = write(tmp_path / "a.flac", samples)
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    content[place : place + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(bytes(content))
    spans = decode(plan_tracks(recording(path), PLAN))
    errors = [span.error for span in spans if span.error]
    assert errors
    for error in errors:
        assert isinstance(error, CorruptAudioError)
        assert "a.flac does not decode from" in str(error)
    sound = joined([part for span in spans for part in span.waveforms])
    assert len(sound) == len(samples)
    right = np.abs(sound - samples[:, 0]) < 1e-4
    assert right[: 5 * 16_000].all()
    assert right[7 * 16_000 :].all()
    assert right.mean() > 0.9


@pytest.mark.parametrize(
    ("muxer", "coder"), [("mp3", "libmp3lame"), ("adts", "aac"), ("matroska", "aac")]
)
def test_junk_in_a_stream_does_not_shift_what_follows(
    tmp_path: Path, muxer: str, coder: str
) -> None:
    path = encode(tmp_path / "a", chirps(10.0), muxer, coder)
    plan = replace(PLAN, span_s=100.0)
    whole = sound_of(path, plan=plan)
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    content[place : place + 4000] = np.random.default_rng(1).bytes(4000)
    path.write_bytes(bytes(content))
    (span,) = decode(plan_tracks(recording(path), plan), plan)
    assert isinstance(span.error, CorruptAudioError)
    sound = joined(list(span.waveforms))
    assert abs(len(sound) - len(whole)) <= 0.05 * MODEL_HZ
    window = slice(8 * MODEL_HZ, 9 * MODEL_HZ)
    size = 4 * MODEL_HZ
    ours, theirs = np.fft.rfft(sound[window], size), np.fft.rfft(whole[window], size)
    shift = int(np.fft.irfft(ours * np.conj(theirs), size).argmax())
    assert min(shift, size - shift) <= 0.05 * MODEL_HZ


@pytest.mark.parametrize(
    ("muxer", "coder"), [("mp3", "libmp3lame"), ("mp4", "aac"), ("matroska", "flac")]
)
def test_a_file_that_was_cut_off_is_partial(tmp_path: Path, muxer: str, coder: str) -> None:
    options = {"movflags": "faststart"} if muxer == "mp4" else {}
    path = encode(tmp_path / "a", noise(10 * 48_000), muxer, coder, 48_000, **options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    spans = decode(plan_tracks(recording(path), PLAN))
    errors = [span.error for span in spans if span.error]
    assert errors
    assert all(isinstance(error, TruncatedAudioError) for error in errors)
    assert "breaks off at" in str(errors[0])
    sound = joined([part for span in spans for part in span.waveforms])
    assert 4 * MODEL_HZ < len(sound) < 8 * MODEL_HZ


def test_a_header_that_says_too_little_loses_nothing(tmp_path: Path) -> None:
    path = encode(tmp_path / "a", noise(10 * 48_000), "mp3", "libmp3lame", 48_000)
    (track,) = plan_tracks(recording(path), PLAN)
    modest = replace(track, num_samples=8 * 48_000, end_sample=8 * 48_000)
    parts = waveforms([modest])
    assert len(joined(parts)) == 10 * MODEL_HZ
    assert parts[-1].found_samples == 10 * 48_000

    lying = replace(track, num_samples=4 * 48_000, end_sample=4 * 48_000, num_spans=1)
    (span,) = decode([lying])
    assert isinstance(span.error, CorruptAudioError)
    assert "goes on beyond the 4.000 s" in str(span.error)
    assert len(span.waveforms[0].samples) == 7 * MODEL_HZ


# -- amplitude


def test_a_gain_is_the_tracks_and_not_the_spans(tmp_path: Path) -> None:
    samples = noise(10 * 16_000, 2) * np.float32(0.05)
    samples[:, 1] *= 0.1
    samples[140_000, 0] = 0.25
    path = write(tmp_path / "a.wav", samples)
    quiet = plan_tracks(recording(path, EACH), PLAN)
    peak = replace(PLAN, normalisation=PEAK)
    tracks = with_gains(quiet, peak)
    assert with_gains(quiet, PLAN) == quiet
    assert tracks[0].gain == pytest.approx(10 ** (-1 / 20) / 0.25)
    for track, loud in zip(quiet, tracks, strict=True):
        before, after = joined(waveforms([track])), joined(waveforms([loud], peak))
        assert np.abs(after).max() == pytest.approx(10 ** (-1 / 20), rel=1e-3)
        np.testing.assert_allclose(after, before * np.float32(loud.gain), rtol=1e-6)
    other_cut = replace(PLAN, normalisation=LOUDNESS, span_s=100.0)
    gains = [
        track.gain for track in with_gains(plan_tracks(recording(path, EACH), other_cut), other_cut)
    ]
    same = [track.gain for track in with_gains(quiet, replace(PLAN, normalisation=LOUDNESS))]
    assert gains == pytest.approx(same, rel=1e-3)
