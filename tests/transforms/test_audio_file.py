"""The right reader for each file, the second where the first breaks off, and the store's errors."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.transforms.encoding import chirps, encode
from transforms.audio_file import open_audio
from transforms.errors import UnreadableAudioError, UnsupportedAudioError
from transforms.ffmpeg import FfmpegReader
from transforms.libsndfile import SndfileReader
from transforms.reader import Block
from transforms.store import Stores
from transforms.stored_file import FileBytes, Stat, StoredFile


class Line(io.BytesIO):
    """A connection that is lost behind some bytes."""

    def __init__(self, content: bytes, lost_behind: int) -> None:
        super().__init__(content)
        self.lost_behind = lost_behind

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > self.lost_behind:
            raise ConnectionResetError("the line is gone")
        return super().read(size)


@dataclass(frozen=True)
class BadLine(Stores):
    """A store with one file in it."""

    content: bytes = b""
    lost_behind: int = 0

    @contextmanager
    def open(self, uri: str) -> Iterator[StoredFile]:
        line = Line(self.content, self.lost_behind)
        yield StoredFile(FileBytes(line), Stat(len(self.content), "1"))


def written(path: Path, kind: str) -> Path:
    samples = chirps(8.0, 48_000)
    if kind in ("wav", "flac"):
        soundfile.write(path, samples, 48_000, format=kind.upper())
        return path
    muxer, coder = {"mp3": ("mp3", "libmp3lame"), "mp4": ("mp4", "aac"), "ogg": ("ogg", "libopus")}[
        kind
    ]
    options = {"movflags": "faststart"} if muxer == "mp4" else {}
    return encode(path, samples, muxer, coder, 48_000, **options)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "mp4", "ogg"])
def test_a_lost_connection_is_not_the_end_of_a_file(tmp_path: Path, kind: str) -> None:
    content = written(tmp_path / "a", kind).read_bytes()
    whole = BadLine(content=content, lost_behind=len(content))
    with open_audio("a", whole) as file:
        end = max(block.end_sample for block in file.blocks(0, 10**9))
    assert end >= 7.9 * 48_000
    broken = BadLine(content=content, lost_behind=len(content) // 2)
    with (
        pytest.raises(UnreadableAudioError, match=r"^a cannot be .*: the line is gone"),
        open_audio("a", broken) as file,
    ):
        file.header()
        list(file.blocks(0, 10**9))


def test_a_connection_lost_at_once(tmp_path: Path) -> None:
    content = written(tmp_path / "a", "mp3").read_bytes()
    with (
        pytest.raises(UnreadableAudioError, match="line is gone"),
        open_audio("a", BadLine(content=content, lost_behind=-1)),
    ):
        pass


@pytest.mark.parametrize(
    ("kind", "reader"),
    [("wav", SndfileReader), ("flac", SndfileReader), ("ogg", FfmpegReader), ("mp3", FfmpegReader)],
)
def test_who_reads_what(tmp_path: Path, kind: str, reader: type) -> None:
    with open_audio(str(written(tmp_path / "a", kind)), Stores()) as file:
        assert isinstance(file.reader, reader)


def test_the_second_reader_goes_on_where_the_first_breaks_off(tmp_path: Path) -> None:
    path = written(tmp_path / "a", "flac")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 500] = np.random.default_rng(3).bytes(500)
    path.write_bytes(bytes(content))
    with open_audio(str(path), Stores()) as file:
        alone = list(file.reader.blocks(0))
        both: list[Block] = list(file.blocks(0, 10**9))
    assert alone[-1].end_sample < 5 * 48_000
    assert both[-1].end_sample == 8 * 48_000
    assert sum(block.after_loss for block in both) == 1
    last = np.concatenate([block.frames for block in both if block.first_sample > 6 * 48_000])
    np.testing.assert_allclose(last, chirps(8.0, 48_000)[-len(last) :], atol=1e-4)


def test_shorten_is_named(tmp_path: Path) -> None:
    header = (
        b"NIST_1A\n   1024\nchannel_count -i 1\nsample_count -i 16000\nsample_rate -i 16000\n"
        b"sample_n_bytes -i 2\nsample_byte_format -s2 01\n"
        b"sample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n"
    )
    path = tmp_path / "wsj.wv1"
    path.write_bytes(header.ljust(1024) + b"ajkg\x02" + bytes(5000))
    with (
        pytest.raises(UnsupportedAudioError, match=r"wsj\.wv1 is NIST sphere compressed.*sph2pipe"),
        open_audio(str(path), Stores()),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<!DOCTYPE html><html>Not found</html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "it is a Git LFS pointer"),
        (b"PK\x03\x04" + bytes(100), "it is a zip archive"),
    ],
)
def test_what_is_no_audio_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with (
        pytest.raises(UnreadableAudioError, match=rf"a\.wav is not audio: {says}"),
        open_audio(str(path), Stores()),
    ):
        pass
