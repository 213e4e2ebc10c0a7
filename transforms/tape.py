"""The stretch of a file that is in memory while it is read from one end to the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transforms.reader import Block

FILL_SAMPLES = 65_536


@dataclass(frozen=True, slots=True)
class Loss:
    """Samples `[first, last)` that are lost: they did not decode, or decoded to no numbers."""

    first: int
    last: int
    decoded: bool = False


class Tape:
    """Samples of some channels of a file, without holes: what is missing is zero.

    It holds `[begin, end)`. `forget_before` gives up the front, `losses` stay.
    """

    def __init__(self, begin: int, channels: Sequence[int], blocks: Iterator[Block]) -> None:
        self.begin = begin
        self.end = begin
        self.losses: list[Loss] = []
        self._channels = list(channels)
        self._frames: deque[NDArray[np.float32]] = deque()
        self._blocks = blocks
        self._waiting: Block | None = None

    def extend(self, until: int) -> None:
        """Read on to `until` or a little further, or to where the blocks end."""
        while self.end < until:
            block = self._waiting or next(self._blocks, None)
            if block is None:
                return
            if block.after_loss and self._waiting is None:
                self._note(Loss(self.end, max(self.end, block.first_sample)))
            hole = block.first_sample - self.end
            if hole > 0:
                # Piece by piece: a hole may be longer than what is wanted, or than memory.
                self._append(np.zeros((min(hole, FILL_SAMPLES), len(self._channels)), np.float32))
                self._waiting = block
            else:
                self._append(self._finite(block.frames[:, self._channels]))
                self._waiting = None

    def channel(self, index: int, first: int, last: int) -> NDArray[np.float32]:
        """Samples `[first, last)` of the `index`th of the kept channels, as far as there are."""
        pieces, position = [], self.begin
        for frames in self._frames:
            if position < last and first < position + len(frames):
                pieces.append(frames[max(0, first - position) : last - position, index])
            position += len(frames)
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def forget_before(self, position: int) -> None:
        while self._frames and self.begin + len(self._frames[0]) <= position:
            self.begin += len(self._frames.popleft())

    def lost(self, first: int, last: int) -> list[Loss]:
        """The losses that touch `[first, last)`."""
        return [loss for loss in self.losses if loss.first < last and loss.last >= first]

    def _append(self, frames: NDArray[np.float32]) -> None:
        self._frames.append(frames)
        self.end += len(frames)

    def _note(self, loss: Loss) -> None:
        before = self.losses[-1] if self.losses else None
        if before and before.last == loss.first and before.decoded == loss.decoded:
            self.losses[-1] = Loss(before.first, loss.last, loss.decoded)
        else:
            self.losses.append(loss)

    def _finite(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        finite = np.isfinite(frames)
        if finite.all():
            return frames
        places = self.end + np.flatnonzero(~finite.all(axis=1))
        self._note(Loss(int(places[0]), int(places[-1]) + 1, decoded=True))
        return np.where(finite, frames, np.float32(0))
