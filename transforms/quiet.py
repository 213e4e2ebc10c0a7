"""Where audio is quiet: the places to cut it, and the stretches that hold nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PAUSE_S = 0.2
SILENCE_S = 1.0
MARGIN_S = 0.25
BLOCK_S = 0.01
SILENCE_PEAK = 10 ** (-70 / 20)


def quietest_sample(samples: NDArray[np.float32], rate_hz: int, step_samples: int = 1) -> int:
    """The middle of the quietest `PAUSE_S` in `samples`, a multiple of `step_samples`.

    Of equally quiet places the one nearest to the middle; the middle itself where `samples` are
    shorter than a pause. It depends on nothing but `samples`, so whoever reads them finds it.
    """
    half = round(PAUSE_S * rate_hz / 2)
    middle = len(samples) // 2
    step = max(step_samples, rate_hz // 1000 // step_samples * step_samples)
    candidates = np.arange(-(-half // step) * step, len(samples) - half + 1, step)
    if len(candidates) == 0:
        return middle // step_samples * step_samples
    energy = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    around = energy[candidates + half] - energy[candidates - half]
    quietest = candidates[around == around.min()]
    return int(quietest[np.abs(quietest - middle).argmin()])


def is_silent(samples: NDArray[np.float32]) -> bool:
    """Whether nothing rises above -70 dB of full scale, a constant offset left aside.

    The least significant bit of 16-bit audio, dithered, stays below -84 dB. A dead input often has
    an offset of its own, which nobody hears.
    """
    if len(samples) == 0:
        return True
    offset = samples.mean(dtype=np.float64)
    return float(max(samples.max() - offset, offset - samples.min())) < SILENCE_PEAK


def sound_regions(samples: NDArray[np.float32], rate_hz: int) -> list[tuple[int, int]]:
    """Where there is any sound: what silences of at least `SILENCE_S` leave, in samples.

    `MARGIN_S` of the silence on either side belong to the sound; silence is told by `BLOCK_S`.
    """
    block, margin = round(BLOCK_S * rate_hz), round(MARGIN_S * rate_hz)
    starts = np.arange(0, len(samples), block)
    if len(starts) == 0:
        return []
    offset = np.float32(samples.mean(dtype=np.float64))
    loudest = np.maximum(
        np.maximum.reduceat(samples, starts) - offset, offset - np.minimum.reduceat(samples, starts)
    )
    loud = np.flatnonzero(loudest >= SILENCE_PEAK)
    stretches = np.split(loud, np.flatnonzero(np.diff(loud) > round(SILENCE_S / BLOCK_S)) + 1)
    return [
        (
            max(0, int(stretch[0]) * block - margin),
            min(len(samples), (int(stretch[-1]) + 1) * block + margin),
        )
        for stretch in stretches
        if len(stretch)
    ]
