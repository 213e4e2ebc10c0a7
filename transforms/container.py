"""What kind of file it is, by its first bytes: names and suffixes are not believed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

HEAD_BYTES = 8192
ID3_HEADER_BYTES = 10
FRAME_HEADER_BYTES = 6
KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
RATES_HZ = (44_100, 48_000, 32_000)


@dataclass(frozen=True, slots=True)
class Container:
    """A kind of file: which readers know it, and whether it is audio at all.

    `demuxer` is FFmpeg's name for it, None where libsndfile alone knows it. Naming the demuxer
    keeps FFmpeg from guessing that a text is a playlist, and from opening what it points to.
    """

    name: str
    signature: re.Pattern[bytes]
    demuxer: str | None = None
    libsndfile: bool = False
    is_media: bool = True


def _kind(
    name: str, signature: bytes, demuxer: str | None, *, libsndfile: bool = False
) -> Container:
    return Container(name, re.compile(signature, re.DOTALL), demuxer, libsndfile)


def _no_media(name: str, signature: bytes) -> Container:
    return Container(name, re.compile(signature, re.DOTALL | re.IGNORECASE), is_media=False)


CONTAINERS = (
    _kind("wav", rb"(RIFF|RIFX|RF64|BW64).{4}WAVE", "wav", libsndfile=True),
    _kind("avi", rb"RIFF.{4}AVI ", "avi"),
    _kind("w64", rb"riff\x2e\x91\xcf\x11", "w64", libsndfile=True),
    _kind("aiff", rb"FORM.{4}AIF[FC]", "aiff", libsndfile=True),
    _kind("au", rb"\.snd|dns\.", "au", libsndfile=True),
    _kind("caf", rb"caff", "caf", libsndfile=True),
    _kind("flac", rb"fLaC", "flac", libsndfile=True),
    _kind("ogg", rb"OggS", "ogg"),
    _kind("sphere", rb"NIST_1A", "nistsphere", libsndfile=True),
    _kind("mp4", rb".{4}(ftyp|moov|mdat|free|skip|wide|pnot)", "mov"),
    _kind("matroska", rb"\x1a\x45\xdf\xa3", "matroska"),
    _kind("asf", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    _kind("amr", rb"#!AMR", "amr"),
    _kind("flv", rb"FLV\x01", "flv"),
    _kind("mpegts", rb"\x47.{187}\x47.{187}\x47", "mpegts"),
    _kind("mpeg", rb"\x00\x00\x01\xba", "mpeg"),
    _kind("ac3", rb"\x0b\x77", "ac3"),
    _kind("wavpack", rb"wvpk", "wv"),
    _kind("ape", rb"MAC ", "ape"),
    _kind("tta", rb"TTA1", "tta"),
    _kind("shorten", rb"ajkg", "shn"),
    # A sync word alone: layer 0 is ADTS, any other MPEG audio.
    _kind("adts", rb"\xff[\xf0\xf1\xf8\xf9]", "aac"),
    _kind("mp3", rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][^\xff]", "mp3"),
    _no_media("a web page", rb"\s*<(!doctype html|html|\?xml)"),
    _no_media("a PDF document", rb"%PDF"),
    _no_media("a zip archive", rb"PK\x03\x04"),
    _no_media("a gzip archive", rb"\x1f\x8b"),
    _no_media("a Git LFS pointer", rb"version https://git-lfs"),
    _no_media("a playlist", rb"#EXTM3U|\[playlist\]|ffconcat"),
)
MP3 = next(kind for kind in CONTAINERS if kind.name == "mp3")
ADTS = next(kind for kind in CONTAINERS if kind.name == "adts")


def sniff(stored: BinaryIO) -> Container | None:
    """The kind of an open file; None where nothing known begins so. An ID3 tag is passed over."""
    head, tagged = head_of(stored)
    found = next((kind for kind in CONTAINERS if kind.signature.match(head)), None)
    if found is None and (tagged or _holds_frames(head, MP3.signature, _mp3_bytes)):
        return MP3
    if found is None and _holds_frames(head, ADTS.signature, _adts_bytes):
        return ADTS
    return found


def head_of(stored: BinaryIO) -> tuple[bytes, bool]:
    """The first bytes of an open file behind its ID3 tags, and whether there were any."""
    place = 0
    while True:
        stored.seek(place)
        head = stored.read(HEAD_BYTES)
        if not head.startswith(b"ID3") or len(head) < ID3_HEADER_BYTES:
            return head, place > 0
        size = 0
        for byte in head[6:ID3_HEADER_BYTES]:
            size = size << 7 | byte & 0x7F
        place += ID3_HEADER_BYTES + size


def _holds_frames(
    head: bytes, signature: re.Pattern[bytes], length_of: Callable[[bytes], int]
) -> bool:
    """Whether three frames follow each other somewhere, as in a broadcast cut at any byte."""
    for match in signature.finditer(head):
        place, frames = match.start(), 0
        while frames < 3 and head[place : place + 2] == match[0][:2]:
            length = length_of(head[place : place + FRAME_HEADER_BYTES])
            place, frames = place + length, frames + 1 if length else 0
            if not length:
                break
        if frames == 3:
            return True
    return False


def _adts_bytes(header: bytes) -> int:
    """The length of an ADTS frame (ISO/IEC 13818-7, 6.2)."""
    if len(header) < FRAME_HEADER_BYTES:
        return 0
    return (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5


def _mp3_bytes(header: bytes) -> int:
    """The length of a frame of MPEG audio, layer III (ISO/IEC 11172-3, 2.4.2.3; 13818-3)."""
    if len(header) < FRAME_HEADER_BYTES:
        return 0
    version, rate = header[1] >> 3 & 3, header[2] >> 2 & 3
    kbits = (KBITS_1 if version == 3 else KBITS_2)[header[2] >> 4]
    if header[1] >> 1 & 3 != 1 or version == 1 or rate == 3 or not kbits:
        return 0
    rate_hz = RATES_HZ[rate] // {3: 1, 2: 2, 0: 4}[version]
    return (144 if version == 3 else 72) * kbits * 1000 // rate_hz + (header[2] >> 1 & 1)
