"""How long a job would take, measured with real jobs."""

from __future__ import annotations

from pipeline.calibration import LONGEST_CLIP_S, Calibration, calibrate, clips
from pipeline.config import TranscriptionConfig
from transforms.records import Recording, Track


def track(name: str, seconds: float, channel: int | None = None) -> Track:
    return Track(
        recording=Recording(name, f"{name}.wav", offset_s=3.0),
        channel=channel,
        sample_rate_hz=8_000,
        num_channels=2,
        num_samples=round(8_000 * (seconds + 3)),
        start_sample=24_000,
        end_sample=round(8_000 * (seconds + 3)),
        fingerprint="",
        num_spans=1,
    )


def test_clips_are_short_and_reach_what_was_asked_for() -> None:
    sample = [[track("a", 5.0)], [track("b", 500.0, 0), track("b", 500.0, 1)]]
    chosen, total_s = clips(sample, 150.0)
    assert [(clip.id, clip.uri, clip.offset_s, clip.duration_s) for clip in chosen] == [
        ("0", "a.wav", 3.0, 5.0),
        ("1", "b.wav", 3.0, LONGEST_CLIP_S),
        ("2", "a.wav", 3.0, 5.0),
        ("3", "b.wav", 3.0, LONGEST_CLIP_S),
    ]
    assert total_s == 2 * (5 + 2 * LONGEST_CLIP_S)


def test_an_expected_time_is_a_start_and_the_audio() -> None:
    assert Calibration(start_s=5.0, rtfx=100.0, audio_s=80.0).expect_s(1_000.0) == 15.0


def test_nothing_to_do_is_nothing_to_measure() -> None:
    config = TranscriptionConfig(sources=("-",), output="out")
    assert calibrate([], config) is None
