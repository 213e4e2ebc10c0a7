"""What to do when a batch does not fit into memory, or cannot be computed at all.

The rungs, in order: the whole batch; its halves, down to single waveforms; a waveform in shorter
windows, whose emissions are joined; the same on the CPU, where that is allowed; given up. An error
that has nothing to do with memory is that of some waveform of the batch: each is tried by itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.errors import EmissionError
from models.recognizer import Emission, Recognizer

SPLIT = "batches_split"
SHORTENED = "windows_shortened"
ON_CPU = "emissions_on_cpu"
SINGLY = "batches_retried_singly"
GIVEN_UP = "emissions_given_up"
RUNGS = (SPLIT, SHORTENED, ON_CPU, SINGLY, GIVEN_UP)

CONTEXT_S = 1.0
SHORTEST_WINDOW_S = 4.0

Waveform = NDArray[np.float32]


class MemoryLadder:
    """A recognizer whose batches may be too large for its device.

    `count` is told each rung that is taken, by one of the names in `RUNGS`.
    """

    def __init__(
        self, recognizer: Recognizer, allow_cpu: bool, count: Callable[[str], None]
    ) -> None:
        self.recognizer = recognizer
        self._allow_cpu = allow_cpu
        self._count = count
        self._on_cpu: Recognizer | None = None

    def emit(self, waveforms: Sequence[Waveform]) -> list[Emission | EmissionError]:
        """One emission for each waveform `(samples,)`, or why there is none.

        All of them are as `Recognizer.emit` gives them, but for those of shortened windows: there
        the model has heard less around each frame.
        """
        try:
            return list(self.recognizer.emit(waveforms))
        except (torch.OutOfMemoryError, MemoryError, RuntimeError, ValueError) as error:
            if not _lacks_memory(error):
                return self._emit_singly(waveforms, error)
            reason = error
        # Outside of the handler, whose traceback keeps the tensors of the failed attempt.
        _release()
        if len(waveforms) == 1:
            return [self._emit_shortened(waveforms[0], str(reason))]
        self._count(SPLIT)
        middle = len(waveforms) // 2
        return [*self.emit(waveforms[:middle]), *self.emit(waveforms[middle:])]

    def _emit_singly(
        self, waveforms: Sequence[Waveform], error: Exception
    ) -> list[Emission | EmissionError]:
        if len(waveforms) == 1:
            self._count(GIVEN_UP)
            return [EmissionError(f"the model cannot compute it: {error}")]
        self._count(SINGLY)
        return [emission for waveform in waveforms for emission in self.emit([waveform])]

    def _emit_shortened(self, waveform: Waveform, reason: str) -> Emission | EmissionError:
        rate_hz = self.recognizer.card.sample_rate_hz
        window = len(waveform) // 2
        while window >= SHORTEST_WINDOW_S * rate_hz:
            self._count(SHORTENED)
            try:
                return self._emit_windows(waveform, window)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _lacks_memory(error):
                    raise
            _release()
            window //= 2
        if self._allow_cpu and self.recognizer.device.type != "cpu":
            self._count(ON_CPU)
            return self._cpu().emit([waveform])[0]
        self._count(GIVEN_UP)
        return EmissionError(f"it does not fit into the memory of the device: {reason}")

    def _emit_windows(self, waveform: Waveform, window: int) -> Emission:
        """Windows of about `window` samples one after another, each with context on both sides."""
        card = self.recognizer.card
        frame = card.frame_samples
        step = -(-window // frame)
        context = round(CONTEXT_S * card.sample_rate_hz) // frame
        frames = -(-len(waveform) // frame)
        parts = []
        for first in range(0, frames, step):
            begin, last = max(0, first - context), first + step
            piece = waveform[begin * frame : (last + context) * frame]
            log_probs = self.recognizer.emit([piece])[0].log_probs
            end = None if last >= frames else last - begin
            parts.append(log_probs[first - begin : end])
        return Emission(np.concatenate(parts))

    def _cpu(self) -> Recognizer:
        if self._on_cpu is None:
            network = copy.deepcopy(self.recognizer.network).to(torch.device("cpu"))
            self._on_cpu = Recognizer(self.recognizer.card, network, torch.device("cpu"))
        return self._on_cpu


def _lacks_memory(error: Exception) -> bool:
    """The CPU's allocator raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        "DefaultCPUAllocator" in str(error)
    )


def _release() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
