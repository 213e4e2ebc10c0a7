"""Streams of frames as they are found: put together, tagged, cut, and damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.transforms.encoding import RATE_HZ, chirps, encode
from transforms.audio_file import open_audio
from transforms.junk import is_no_sound, promised_by_xing
from transforms.store import Stores

SECONDS = 3.0


def id3(size: int) -> bytes:
    digits = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + digits + np.random.default_rng(0).bytes(size)


ID3V1 = b"TAG" + b"a title".ljust(125, b"\0")
LYRICS = b"LYRICSBEGIN" + b"la " * 100 + b"000311LYRICS200" + ID3V1

Change = Callable[[bytes], bytes]
HARMLESS: dict[str, tuple[Change, float]] = {
    "a tag at the end": (lambda mp3: mp3 + ID3V1, 1),
    "lyrics at the end": (lambda mp3: mp3 + LYRICS, 1),
    "zeros at the end": (lambda mp3: mp3 + bytes(5000), 1),
    "two tags in front": (lambda mp3: id3(300) + id3(70_000) + mp3, 1),
    "zeros in front": (lambda mp3: bytes(1000) + mp3, 1),
    "two files put together": (lambda mp3: mp3 + mp3, 2),
    "two files with tags and pictures": (lambda mp3: 2 * (id3(70_000) + mp3) + ID3V1, 2),
}


def read(path: Path) -> tuple[int, list[tuple[int, int]]]:
    """Where the sound ends, and the stretches that are said to be lost."""
    position, losses = 0, []
    with open_audio(str(path), Stores()) as file:
        for block in file.blocks(0, 10**9):
            if block.after_loss:
                losses.append((position, block.first_sample))
            position = block.end_sample
    return position, losses


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize(("muxer", "coder"), [("mp3", "libmp3lame"), ("adts", "aac")])
def test_what_is_no_sound_is_no_loss(tmp_path: Path, name: str, muxer: str, coder: str) -> None:
    change, times = HARMLESS[name]
    path = encode(tmp_path / "a", chirps(SECONDS), muxer, coder)
    path.write_bytes(change(path.read_bytes()))
    end, losses = read(path)
    assert losses == []
    assert end == pytest.approx(times * SECONDS * RATE_HZ, abs=times * 2 * 1152)


@pytest.mark.parametrize(("muxer", "coder"), [("mp3", "libmp3lame"), ("adts", "aac")])
def test_a_stream_cut_at_both_ends(tmp_path: Path, muxer: str, coder: str) -> None:
    path = encode(tmp_path / "a", chirps(SECONDS), muxer, coder)
    content = path.read_bytes()
    path.write_bytes(content[len(content) // 3 + 5 :])
    end, losses = read(path)
    assert losses == []
    assert end == pytest.approx(2 / 3 * SECONDS * RATE_HZ, abs=0.1 * RATE_HZ)


@pytest.mark.parametrize(("muxer", "coder"), [("mp3", "libmp3lame"), ("adts", "aac")])
@pytest.mark.parametrize("place", [0.5, 1.0])
def test_a_loss_lasts_as_long_as_its_bytes(
    tmp_path: Path, muxer: str, coder: str, place: float
) -> None:
    path = encode(tmp_path / "a", chirps(SECONDS), muxer, coder)
    content = path.read_bytes()
    size = len(content) // 6
    begin = min(int(place * len(content)), len(content) - size)
    noise = np.random.default_rng(2).bytes(size)
    path.write_bytes(content[:begin] + noise + content[begin + size :])
    end, losses = read(path)
    assert losses
    lost = sum(last - first for first, last in losses)
    assert lost == pytest.approx(SECONDS / 6 * RATE_HZ, rel=0.3)
    assert end == pytest.approx(SECONDS * RATE_HZ, abs=0.15 * RATE_HZ)


def test_what_a_header_promises(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp3", chirps(SECONDS), "mp3", "libmp3lame")
    with path.open("rb") as file:
        assert promised_by_xing(file) == pytest.approx(SECONDS * RATE_HZ, abs=3 * 1152)
    path.write_bytes(path.read_bytes()[500:])
    with path.open("rb") as file:
        assert promised_by_xing(file) == 0


def test_a_tag_is_no_sound() -> None:
    assert is_no_sound(ID3V1)
    assert is_no_sound(id3(10))
    assert is_no_sound(b"\xff\xfb\x90\x64" + bytes(32) + b"Info" + bytes(100))
    assert not is_no_sound(b"\xff\xfb\x90\x64" + bytes(300))
    assert not is_no_sound(b"")
