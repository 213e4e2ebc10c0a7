"""What does not fit into memory is cut until it does, and costs nobody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models import Emission, Recognizer
from models.errors import EmissionError
from models.ladder import GIVEN_UP, ON_CPU, SHORTENED, SINGLY, SPLIT, MemoryLadder

Waveform = NDArray[np.float32]


class Small(Recognizer):
    """The real model on a device that holds so many padded seconds, and knows one bad waveform."""

    def __init__(self, recognizer: Recognizer, most_s: float, device: str = "cpu") -> None:
        super().__init__(recognizer.card, recognizer.network, torch.device("cpu"))
        self.device = torch.device(device)
        self.most_s = most_s
        self.error: Exception = torch.OutOfMemoryError("CUDA out of memory")

    def emit(self, waveforms: Sequence[Waveform]) -> list[Emission]:
        padded_s = len(waveforms) * max(map(len, waveforms)) / self.card.sample_rate_hz
        if padded_s > self.most_s:
            raise self.error
        if any(np.isinf(waveform).any() for waveform in waveforms):
            raise ValueError("the waveform is not finite")
        device, self.device = self.device, torch.device("cpu")
        try:
            return super().emit(waveforms)
        finally:
            self.device = device


def climb(
    small: Small, waveforms: Sequence[Waveform], allow_cpu: bool = False
) -> tuple[list[Emission | EmissionError], Counter[str]]:
    rungs: Counter[str] = Counter()
    ladder = MemoryLadder(small, allow_cpu, lambda name: rungs.update([name]))
    return ladder.emit(waveforms), rungs


@pytest.fixture
def waveforms(speech: dict[str, Waveform]) -> list[Waveform]:
    return [speech[name][: 16_000 * 6] for name in sorted(speech)[:4]]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_batch_is_halved_until_it_fits(
    recognizer: Recognizer, waveforms: list[Waveform], error: Exception
) -> None:
    small = Small(recognizer, most_s=6.1)
    small.error = error
    emissions, rungs = climb(small, waveforms)
    assert rungs == {SPLIT: 3}
    for emission, alone in zip(emissions, recognizer.emit(waveforms), strict=True):
        assert isinstance(emission, Emission)
        np.testing.assert_allclose(emission.log_probs, alone.log_probs, atol=1e-3)


def test_a_window_is_shortened_and_joined(
    recognizer: Recognizer, speech: dict[str, Waveform]
) -> None:
    waveform = speech["librispeech-1089-134686-0000"]
    (whole,) = recognizer.emit([waveform])
    (emission,), rungs = climb(Small(recognizer, most_s=8.0), [waveform])
    assert isinstance(emission, Emission)
    assert set(rungs) == {SHORTENED}
    assert emission.log_probs.shape == whole.log_probs.shape
    same = emission.log_probs.argmax(axis=1) == whole.log_probs.argmax(axis=1)
    assert same.mean() > 0.9


def test_the_cpu_helps_out_where_it_may(recognizer: Recognizer, waveforms: list[Waveform]) -> None:
    small = Small(recognizer, most_s=0.1, device="cuda")
    (refused,), rungs = climb(small, waveforms[:1])
    assert isinstance(refused, EmissionError)
    assert rungs == {GIVEN_UP: 1}
    (emission,), rungs = climb(small, waveforms[:1], allow_cpu=True)
    assert isinstance(emission, Emission)
    assert rungs == {ON_CPU: 1}
    (alone,) = recognizer.emit(waveforms[:1])
    np.testing.assert_array_equal(emission.log_probs, alone.log_probs)


def test_an_error_of_the_data_costs_its_waveform(
    recognizer: Recognizer, waveforms: list[Waveform]
) -> None:
    bad = np.full(16_000, np.inf, np.float32)
    emissions, rungs = climb(Small(recognizer, most_s=1e9), [*waveforms[:2], bad, waveforms[2]])
    assert rungs == {SINGLY: 1, GIVEN_UP: 1}
    assert [isinstance(emission, Emission) for emission in emissions] == [True, True, False, True]
    assert "not finite" in str(emissions[2])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_real_device_that_is_full(recognizer: Recognizer, waveforms: list[Waveform]) -> None:
    from models import load_recognizer

    on_gpu = load_recognizer(recognizer.card.name, "cuda")
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(min(1.0, 256 * 2**20 / total))
    try:
        rungs: Counter[str] = Counter()
        ladder = MemoryLadder(on_gpu, False, lambda name: rungs.update([name]))
        emissions = ladder.emit(waveforms * 64)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert rungs[SPLIT] >= 1
    assert all(isinstance(emission, Emission) for emission in emissions)
