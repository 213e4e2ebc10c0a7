"""Reading what libsndfile knows: wav, aiff, flac, ogg and others, from any sample on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import soundfile

from transforms.reader import AudioHeader, Block

STREAMED_SIZE = 0x7FFF_0000
"""Close to 2 GiB and above: what writers put there who do not know the length yet."""
BLOCK_SAMPLES = 16_384
BLOCK_CODINGS = {"GSM610", "IMA_ADPCM", "MS_ADPCM", "NMS_ADPCM_16", "NMS_ADPCM_24", "NMS_ADPCM_32"}
MOST_BLOCK_SAMPLES = 4096
"""These codings count whole blocks, and the last may not be full."""


class SndfileReader:
    """One open file. Raises `soundfile.LibsndfileError` where libsndfile does not know it."""

    def __init__(self, stored: BinaryIO) -> None:
        stored.seek(0)
        self._audio = soundfile.SoundFile(stored)
        in_blocks = self._audio.subtype in BLOCK_CODINGS
        self.tolerance_samples = MOST_BLOCK_SAMPLES if in_blocks else 0

    def close(self) -> None:
        self._audio.close()

    def header(self) -> AudioHeader:
        audio = self._audio
        return AudioHeader(
            container=audio.format.lower(),
            codec=audio.subtype.lower(),
            sample_rate_hz=audio.samplerate,
            num_channels=audio.channels,
            num_samples=audio.frames,
            missing_samples=missing_samples(audio),
            seekable=True,
        )

    def blocks(self, first: int) -> Iterator[Block]:
        """Some decoders raise at a break and withhold what came before, hence small blocks.

        They end at the same places of the file whoever reads, so that all see the same break.
        """
        position = first
        try:
            self._audio.seek(first)
            while True:
                wanted = BLOCK_SAMPLES - position % BLOCK_SAMPLES
                frames = self._audio.read(wanted, dtype=np.float32, always_2d=True)
                yield Block(position, frames)
                position += len(frames)
                if len(frames) < wanted:
                    return
        except soundfile.LibsndfileError:
            return


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
