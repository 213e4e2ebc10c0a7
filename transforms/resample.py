"""One sample rate into another, on a grid of positions that both share exactly."""

from __future__ import annotations

import math

import numpy as np
import soxr
from numpy.typing import NDArray


def grid_samples(from_hz: int, to_hz: int) -> int:
    """Source samples between positions that are whole samples at both rates.

    441 for 44,100 to 16,000 Hz, since 441 samples last exactly as long as 160.
    """
    return from_hz // math.gcd(from_hz, to_hz)


def resample(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Mono `(samples,)` at `to_hz`, linear phase, not delayed (libsoxr, high quality)."""
    if from_hz == to_hz:
        return samples
    resampled: NDArray[np.float32] = soxr.resample(samples, from_hz, to_hz, quality="HQ")
    return resampled
