"""What every reader of audio files gives: a header, then blocks of samples in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AudioHeader:
    """What a file says of itself, and what was found without decoding it.

    `num_samples` a channel are there; `missing_samples` more are promised. `seekable` says that
    reading can begin anywhere, exactly and at little cost.
    """

    container: str
    codec: str
    sample_rate_hz: int
    num_channels: int
    num_samples: int
    missing_samples: int = 0
    seekable: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Float32 frames `(samples, channels)` of a file, from `first_sample` on.

    `after_loss`: between the block before and this one lies something that did not decode. An
    empty block marks such a place at the end.
    """

    first_sample: int
    frames: NDArray[np.float32]
    after_loss: bool = False

    @property
    def end_sample(self) -> int:
        return self.first_sample + len(self.frames)


class AudioReader(Protocol):
    """One open file. `tolerance_samples`: its true end may come so much before the header's."""

    @property
    def tolerance_samples(self) -> int: ...

    def header(self) -> AudioHeader:
        """Raises a `RecordingError` where there is nothing to read."""

    def blocks(self, first: int) -> Iterator[Block]:
        """All that decodes from sample `first` on. Holes between blocks are missing samples.

        It ends, without an error, where nothing more can be decoded.
        """
