"""Files damaged at random: a waveform or a `RecordingError`, and never more than the file holds."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.transforms.encoding import chirps, encode
from transforms.audio_plan import AudioPlan, plan_reels, plan_tracks
from transforms.errors import RecordingError
from transforms.records import Recording
from transforms.reel import decode_reel

PLAN = AudioPlan(language="en", model_rate_hz=16_000, shortest_s=0.1)
SECONDS = 0.8
MOST_S = 3600 + 60
"""One timestamp may leave a hole of an hour."""
FILES_A_KIND = 12
ENCODED = {
    "m4a": ("ipod", "aac", 16_000),
    "mkv": ("matroska", "aac", 16_000),
    "webm": ("webm", "libopus", 48_000),
    "aac": ("adts", "aac", 16_000),
    "mp3": ("mp3", "libmp3lame", 16_000),
    "wma": ("asf", "wmav2", 16_000),
    "flv": ("flv", "libmp3lame", 44_100),
    "ts": ("mpegts", "aac", 16_000),
}
WRITTEN = {
    "wav": ("WAV", "PCM_16"),
    "float": ("WAV", "FLOAT"),
    "adpcm": ("WAV", "IMA_ADPCM"),
    "flac": ("FLAC", "PCM_16"),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "aiff": ("AIFF", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "nist": ("NIST", "PCM_16"),
}


def good(path: Path, kind: str) -> bytes:
    if kind in ENCODED:
        muxer, coder, rate_hz = ENCODED[kind]
        return encode(path, chirps(SECONDS, rate_hz), muxer, coder, rate_hz).read_bytes()
    container, coding = WRITTEN[kind]
    samples = chirps(SECONDS, 16_000)
    if container == "OGG":
        # A damaged page is lost as a whole, so there must be more than one.
        samples = np.random.default_rng(0).uniform(-1, 1, (3 * 16_000, 2))
    soundfile.write(path, samples, 16_000, format=container, subtype=coding)
    return path.read_bytes()


def flip(content: bytearray, source: random.Random) -> None:
    reach = source.choice([64, 256, len(content)])
    for _ in range(source.choice([1, 3, 30])):
        content[source.randrange(min(reach, len(content)))] = source.choice([0, 127, 128, 255])


def cut(content: bytearray, source: random.Random) -> None:
    del content[source.randrange(1, len(content)) :]


def insert(content: bytearray, source: random.Random) -> None:
    place = source.randrange(len(content))
    content[place : place + source.choice([0, 20])] = source.randbytes(source.choice([1, 500]))


def exaggerate(content: bytearray, source: random.Random) -> None:
    place = source.randrange(min(512, len(content)) - 4)
    content[place : place + 4] = source.choice([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x80"])


DAMAGES: list[Callable[[bytearray, random.Random], None]] = [flip, cut, insert, exaggerate]


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
