"""Files are known by how they begin."""

from __future__ import annotations

import io
import random
from pathlib import Path

import av
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from transforms.container import CONTAINERS, Container, sniff

AUDIO = Path(__file__).parents[1] / "data" / "audio"


def sniffed(head: bytes) -> Container | None:
    return sniff(io.BytesIO(head))


def name(head: bytes) -> str | None:
    found = sniffed(head)
    return found and found.name


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "wav"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", "avi"),
        (b"FORM\x00\x00\x00\x00AIFC", "aiff"),
        (b"fLaC\x00\x00\x00\x22", "flac"),
        (b"OggS\x00\x02", "ogg"),
        (b"NIST_1A\n   1024\n", "sphere"),
        (b"\x00\x00\x00\x20ftypM4A ", "mp4"),
        (b"\x00\x00\x00\x08wide\x00\x00", "mp4"),
        (b"\x1a\x45\xdf\xa3\x9f", "matroska"),
        (b"#!AMR-WB\n", "amr"),
        (b"\xff\xf1\x50\x80\x00", "adts"),
        (b"\xff\xf9\x50\x80\x00", "adts"),
        (b"\xff\xfb\x90\x64\x00", "mp3"),
        (b"\xff\xf3\x40\xc0\x00", "mp3"),
        (b"\xff\xe3\x18\xc4\x00", "mp3"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"PK\x03\x04\x14\x00", "a zip archive"),
        (b"#EXTM3U\nhttp://", "a playlist"),
        (b"Dear reader, this is text", None),
        (b"\xff\xff\xff\xff\xff\xff", None),
        (bytes(64), None),
        (b"", None),
    ],
)
def test_how_files_begin(head: bytes, expected: str | None) -> None:
    assert name(head) == expected


def id3(size: int) -> bytes:
    digits = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + digits + bytes(size)


@pytest.mark.parametrize("size", [0, 10, 127, 128, 5000, 300_000])
def test_a_tag_is_passed_over(size: int) -> None:
    assert name(id3(size) + b"\xff\xf1\x50\x80") == "adts"
    assert name(id3(size) + b"fLaC\x00\x00\x00\x22") == "flac"
    assert name(id3(size) + b"\xff\xfb\x90\x64\x00") == "mp3"
    assert name(id3(size) + bytes(100)) == "mp3", "junk after a tag is most often MPEG audio"
    assert name(id3(size)) == "mp3"


def test_shipped_recordings() -> None:
    kinds = {path.suffix: name(path.read_bytes()) for path in AUDIO.iterdir()}
    assert kinds == {".wav": "wav", ".flac": "flac", ".mp3": "mp3"}


def test_ffmpeg_has_the_demuxers_and_libsndfile_the_formats() -> None:
    demuxers = {kind.demuxer for kind in CONTAINERS if kind.demuxer}
    assert all(av.ContainerFormat(demuxer, "r").is_input for demuxer in demuxers)
    formats = {name.lower() for name in soundfile.available_formats()}
    assert {kind.name for kind in CONTAINERS if kind.libsndfile} - {"sphere"} <= formats
    assert "nist" in formats


def test_a_stream_may_be_cut_at_any_byte() -> None:
    mp3 = (AUDIO / "sonnet001.mp3").read_bytes()
    for place in range(40_000, 41_500, 7):
        assert name(mp3[place:]) == "mp3"
        assert name(bytes(100) + mp3[place:]) == "mp3"


@given(st.binary(max_size=3000))
def test_any_bytes_may_be_looked_at(content: bytes) -> None:
    found = sniffed(content)
    assert found is None or found in CONTAINERS


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_nothing_known(seed: int) -> None:
    assert name(b"\0" + random.Random(seed).randbytes(8192)) is None
