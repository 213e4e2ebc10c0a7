"""An audio file in a store, opened with the reader that knows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace

import av
import soundfile

from transforms.container import Container, head_of, sniff
from transforms.errors import (
    EmptyAudioError,
    RecordingError,
    UnreadableAudioError,
    UnsupportedAudioError,
)
from transforms.ffmpeg import FfmpegReader
from transforms.fingerprint import stored_fingerprint
from transforms.libsndfile import SndfileReader
from transforms.reader import AudioHeader, AudioReader, Block
from transforms.store import Stores
from transforms.stored_file import StoredFile

SAMPLES_A_BYTE = 8192
"""More than any coding packs into a byte, silence included: a header that claims more lies."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioFile:
    """An open file. `fingerprint` is of what is stored there: size with entity tag or mtime."""

    fingerprint: str
    stored: StoredFile
    reader: AudioReader
    second_demuxer: str | None
    most_samples: int | None

    @property
    def tolerance_samples(self) -> int:
        return self.reader.tolerance_samples

    def header(self) -> AudioHeader:
        header = self.reader.header()
        self.stored.check()
        return header

    def blocks(self, first: int, last: int) -> Iterator[Block]:
        """Samples `first` to `last`, or to where the file ends; what is missing is left out.

        Where libsndfile breaks off FFmpeg goes on. Raises `OSError` where the store failed: a lost
        connection is not the end of a file.
        """
        position = first
        for block in self._read(self.reader, first, last):
            yield block
            position = block.end_sample
        if self.second_demuxer is not None and position < min(last, self.header().num_samples):
            for block in self._second_chance(self.second_demuxer, position, last):
                yield replace(block, after_loss=block.after_loss or block.first_sample > position)
                position = block.end_sample

    def _second_chance(self, demuxer: str, first: int, last: int) -> Iterator[Block]:
        try:
            yield from self._read(
                FfmpegReader(self.stored, demuxer, self.most_samples), first, last
            )
        except (av.FFmpegError, UnsupportedAudioError):
            return

    def _read(self, reader: AudioReader, first: int, last: int) -> Iterator[Block]:
        for block in reader.blocks(first):
            self.stored.check()
            if block.first_sample >= last:
                return
            if block.end_sample > last:
                block = replace(block, frames=block.frames[: last - block.first_sample])
            yield block
        self.stored.check()


@contextmanager
def open_audio(uri: str, stores: Stores) -> Iterator[AudioFile]:
    """Raises `UnreadableAudioError` or another `RecordingError`, naming the URI."""
    with ExitStack() as stack:
        try:
            stored = stack.enter_context(stores.open(uri))
            if stored.stat.size == 0:
                raise EmptyAudioError(f"{uri} is empty (0 bytes)")
            stored.defer_errors()
            file = stack.enter_context(_read_with(stored, uri))
        except RecordingError:
            raise
        except FileNotFoundError:
            raise UnreadableAudioError(f"{uri} does not exist") from None
        except (OSError, ImportError, ValueError) as error:
            raise UnreadableAudioError(f"{uri} cannot be opened: {error}") from error
        try:
            yield file
        except RecordingError:
            raise
        except (OSError, av.FFmpegError) as error:
            raise UnreadableAudioError(f"{uri} cannot be read to its end: {error}") from error


@contextmanager
def _read_with(stored: StoredFile, uri: str) -> Iterator[AudioFile]:
    container = sniff(stored)
    stored.check()
    if container is not None and not container.is_media:
        raise UnreadableAudioError(f"{uri} is not audio: it is {container.name}")
    if container is not None and container.name == "sphere" and b"shorten" in head_of(stored)[0]:
        raise UnsupportedAudioError(
            f"{uri} is NIST sphere compressed with shorten, which cannot be read; "
            "unpack it with sph2pipe"
        )
    try:
        reader = _reader(stored, container)
    except (soundfile.LibsndfileError, av.FFmpegError) as error:
        stored.check()
        raise _refusal(uri, container, error) from error
    except UnsupportedAudioError as error:
        raise UnsupportedAudioError(f"{uri} {error}") from error
    stored.check()
    second = container.demuxer if container and isinstance(reader, SndfileReader) else None
    with closing(reader):
        yield AudioFile(
            stored_fingerprint(stored.stat), stored, reader, second, _most_samples(stored)
        )


def _reader(stored: StoredFile, container: Container | None) -> SndfileReader | FfmpegReader:
    most_samples = _most_samples(stored)
    if container is not None and not container.libsndfile:
        return FfmpegReader(stored, container.demuxer or "", most_samples)
    demuxer = container.demuxer if container else None
    try:
        reader = SndfileReader(stored)
    except soundfile.LibsndfileError as error:
        if demuxer is None:
            raise
        try:
            return FfmpegReader(stored, demuxer, most_samples)
        except (av.FFmpegError, UnsupportedAudioError):
            raise error from None
    num_samples = reader.header().num_samples
    if demuxer is None or 0 < num_samples <= (most_samples or num_samples):
        return reader
    # A writer that streamed its output left no length in the header: FFmpeg counts.
    try:
        counting = FfmpegReader(stored, demuxer, most_samples)
    except (av.FFmpegError, UnsupportedAudioError):
        return reader
    return counting if counting.header().num_samples else reader


def _most_samples(stored: StoredFile) -> int | None:
    return None if stored.stat.size is None else stored.stat.size * SAMPLES_A_BYTE


def _refusal(uri: str, container: Container | None, error: Exception) -> UnreadableAudioError:
    if isinstance(error, soundfile.LibsndfileError):
        reason = error.error_string
    else:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    kind = f" (it begins like {container.name})" if container else ""
    return UnreadableAudioError(f"{uri} is not audio that can be read: {reason}{kind}")
