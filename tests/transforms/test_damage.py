"""Files damaged at random: a waveform or a `RecordingError`, and never more than the file holds."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.transforms.damage import DAMAGES, ENCODED, SECONDS, WRITTEN, good
from tests.transforms.encoding import chirps
from transforms.audio_plan import AudioPlan, plan_reels, plan_tracks
from transforms.errors import RecordingError
from transforms.records import Recording
from transforms.reel import decode_reel

PLAN = AudioPlan(language="en", model_rate_hz=16_000, shortest_s=0.1)
MOST_S = 3600 + 60
"""One timestamp may leave a hole of an hour."""
FILES_A_KIND = 12


@pytest.mark.parametrize("kind", [*ENCODED, *WRITTEN])
def test_damage_is_survived(tmp_path: Path, kind: str) -> None:
    content = good(tmp_path / "good", kind)
    heard = 0
    for number in range(FILES_A_KIND):
        damaged = bytearray(content)
        DAMAGES[number % len(DAMAGES)](damaged, random.Random(f"{kind} {number}"))
        path = tmp_path / f"damaged-{number}"
        path.write_bytes(bytes(damaged))
        try:
            tracks = plan_tracks(Recording("r", str(path)), PLAN)
            for reel in plan_reels(tracks, PLAN):
                for decoded in decode_reel(reel, PLAN):
                    assert decoded.waveforms or decoded.error
                    for waveform in decoded.waveforms:
                        assert np.isfinite(waveform.samples).all()
                        assert len(waveform.samples) <= MOST_S * PLAN.model_rate_hz
                        heard += len(waveform.samples) > 0
        except RecordingError as error:
            assert str(path) in str(error)
    assert heard, "all of them refused: the damage tests nothing but the header"


@pytest.mark.parametrize("promise", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_wav_that_was_streamed(tmp_path: Path, promise: int) -> None:
    """Its writer did not know the length, and never came back to the header."""
    samples = chirps(SECONDS, 16_000)
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", promise)
    (tmp_path / "a.wav").write_bytes(bytes(content))
    (track,) = plan_tracks(Recording("r", str(tmp_path / "a.wav")), PLAN)
    assert (track.num_samples, track.missing_samples) == (len(samples), 0)


@pytest.mark.parametrize("claim", [0, 2**36 - 1])
def test_a_flac_that_does_not_know_its_length(tmp_path: Path, claim: int) -> None:
    samples = chirps(SECONDS, 16_000)
    soundfile.write(tmp_path / "a.flac", samples, 16_000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] = content[21] & 0xF0 | claim >> 32
    content[22:26] = struct.pack(">I", claim & 0xFFFFFFFF)
    (tmp_path / "a.flac").write_bytes(bytes(content))
    (track,) = plan_tracks(Recording("r", str(tmp_path / "a.flac")), PLAN)
    assert track.num_samples == len(samples)
    (decoded,) = decode_reel(*plan_reels([track], PLAN), PLAN)
    assert decoded.error is None
    np.testing.assert_allclose(decoded.waveforms[0].samples, samples[:, 0], atol=1e-4)
