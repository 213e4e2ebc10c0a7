"""Audio files, opened through fsspec and read by libsndfile."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import soundfile
from numpy.typing import NDArray

from transforms.errors import EmptyAudioError, RecordingError, UnreadableAudioError
from transforms.store import Stores
from transforms.stored_file import Stat

STREAMED_SIZE = 0x7FFFFF00
BLOCK_SAMPLES = 4096
MP3_FRAME_SAMPLES = 1152


@contextmanager
def open_audio(uri: str, stores: Stores) -> Iterator[tuple[soundfile.SoundFile, str]]:
    """An open file and the fingerprint of what is stored there: size with entity tag or mtime.

    Raises `UnreadableAudioError` or `EmptyAudioError`, naming the URI.
    """
    try:
        with stores.open(uri) as stored:
            if stored.stat.size == 0:
                raise EmptyAudioError(f"{uri} is empty (0 bytes)")
            stored.defer_errors()
            try:
                with soundfile.SoundFile(stored) as audio:
                    yield audio, _fingerprint(stored.stat)
            finally:
                stored.check()
    except FileNotFoundError:
        raise UnreadableAudioError(f"{uri} does not exist") from None
    except RecordingError:
        raise
    except soundfile.LibsndfileError as error:
        raise UnreadableAudioError(
            f"{uri} is not audio that can be read: {error.error_string}"
        ) from error
    except (OSError, ImportError, ValueError) as error:
        raise UnreadableAudioError(f"{uri} cannot be opened: {error}") from error


def read_frames(audio: soundfile.SoundFile, first: int, last: int) -> NDArray[np.float32]:
    """`(frames, channels)`; fewer than asked for where the file breaks off.

    Some decoders raise at the break and withhold what came before, hence the blocks. They end at
    the same places of the file whoever reads, so that all see the same break.
    """
    frames = np.empty((last - first, audio.channels), dtype=np.float32)
    position = first
    try:
        if first:
            audio.seek(first)
        while position < last:
            end = min(last, (position // BLOCK_SAMPLES + 1) * BLOCK_SAMPLES)
            block = audio.read(out=frames[position - first : end - first])
            position += len(block)
            if position < end:
                break
    except soundfile.SoundFileError:
        pass
    return frames[: position - first]


def length_tolerance(audio: soundfile.SoundFile) -> int:
    """Samples by which the end of a sound file may come early: MP3 counts whole frames."""
    return MP3_FRAME_SAMPLES if audio.format == "MP3" else 0


def missing_samples(audio: soundfile.SoundFile) -> int:
    """Samples that a RIFF header promises beyond the end of the file.

    libsndfile shortens `frames` to what is there and says so only in its log. A writer that never
    came back to its header left zero or a maximum there, which promises nothing.
    """
    sizes = re.search(r"data : (\d+) \(should be (\d+)\)", audio.extra_info)
    if sizes is None:
        return 0
    promised, stored = int(sizes[1]), int(sizes[2])
    if stored == 0 or not stored < promised < STREAMED_SIZE:
        return 0
    return int(audio.frames * (promised - stored) // stored)


def _fingerprint(stat: Stat) -> str:
    return hashlib.sha256(f"{stat.size} {stat.version}".encode()).hexdigest()[:32]
