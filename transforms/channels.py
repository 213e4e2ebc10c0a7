"""Channels made one, without cancelling each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CANCELLED = 1 / 16
"""A mix with less than this share of the energy that unrelated channels would give."""


def mixed(channels: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean of channels `(samples,)`; one of the loud ones alone where they cancel each other.

    A pair wired in opposite phase adds up to nothing, although each holds all of the speech.
    """
    if len(channels) == 1:
        return channels[0]
    mean = np.zeros_like(channels[0])
    for channel in channels:
        mean += channel
    mean /= len(channels)
    energies = [_energy(channel) for channel in channels]
    # N unrelated channels of energy E give a mean of energy E / N.
    if _energy(mean) * len(channels) ** 2 < CANCELLED * sum(energies):
        # The first of about equals: which of two is a hair louder is a matter of rounding.
        loud = max(energies) / 2
        return next(c for c, energy in zip(channels, energies, strict=True) if energy >= loud)
    return mean


def _energy(samples: NDArray[np.float32]) -> float:
    return float(np.dot(samples, samples))
