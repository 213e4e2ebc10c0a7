"""Sound files of every kind, damaged at random."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from tests.transforms.encoding import chirps, encode

SECONDS = 0.8
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
RARELY_ENCODED = {
    "mov": ("mov", "alac", 44_100),
    "mp4": ("mp4", "aac", 48_000),
    "3gp": ("3gp", "aac", 16_000),
    "avi": ("avi", "libmp3lame", 44_100),
    "mka": ("matroska", "flac", 48_000),
    "mpg": ("mpeg", "mp2", 48_000),
    "mp2": ("mp2", "mp2", 48_000),
    "ac3": ("ac3", "ac3", 48_000),
    "eac3": ("eac3", "eac3", 48_000),
    "amr": ("amr", "libopencore_amrnb", 8_000),
    "wv": ("wv", "wavpack", 16_000),
    "tta": ("tta", "tta", 16_000),
    "oga": ("ogg", "flac", 48_000),
}
RARELY_WRITTEN = {
    "ulaw": ("WAV", "ULAW"),
    "gsm": ("WAV", "GSM610"),
    "ms-adpcm": ("WAV", "MS_ADPCM"),
    "wavex": ("WAVEX", "PCM_24"),
    "rf64": ("RF64", "PCM_24"),
    "w64": ("W64", "PCM_16"),
    "au": ("AU", "ULAW"),
    "aifc": ("AIFF", "ALAW"),
    "alac": ("CAF", "ALAC_16"),
}
EVERY_KIND = (*ENCODED, *WRITTEN, *RARELY_ENCODED, *RARELY_WRITTEN)


def good(path: Path, kind: str) -> bytes:
    encoded = ENCODED | RARELY_ENCODED
    if kind in encoded:
        muxer, coder, rate_hz = encoded[kind]
        return encode(path, chirps(SECONDS, rate_hz), muxer, coder, rate_hz).read_bytes()
    container, coding = (WRITTEN | RARELY_WRITTEN)[kind]
    samples = chirps(SECONDS, 16_000)
    if container == "OGG":
        # A damaged page is lost as a whole, so there must be more than one.
        samples = np.random.default_rng(0).uniform(-1, 1, (3 * 16_000, 2)).astype(np.float32)
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
