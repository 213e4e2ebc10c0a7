"""A mix holds every channel, and holds them when they cancel each other as well."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from transforms.channels import mixed


def noise(seed: int, level: float = 0.3, count: int = 16_000) -> NDArray[np.float32]:
    return (level * np.random.default_rng(seed).normal(size=count)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_a_mix_is_the_mean(count: int) -> None:
    channels = [noise(seed) for seed in range(count)]
    np.testing.assert_allclose(mixed(channels), np.mean(channels, axis=0), atol=1e-6)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_one_voice_among_dead_channels_is_no_cancellation(count: int) -> None:
    voice, dead = noise(0), np.zeros(16_000, np.float32)
    mix = mixed([dead] * (count - 1) + [voice])
    np.testing.assert_allclose(mix, voice / count, atol=1e-6)


def test_opposite_phase_keeps_one_of_the_two() -> None:
    voice = noise(0)
    other = -voice + noise(1, 0.003)
    np.testing.assert_array_equal(mixed([voice, other]), voice)
    np.testing.assert_array_equal(mixed([other, voice]), other)


def test_opposite_phase_passes_over_a_faint_channel() -> None:
    voice, faint = noise(0), noise(2, 0.001)
    np.testing.assert_array_equal(mixed([faint, voice, -voice]), voice)


def test_partly_alike_in_opposite_phase_is_still_a_mix() -> None:
    one, two = noise(0), noise(1)
    mix = mixed([one, -one + two])
    np.testing.assert_allclose(mix, two / 2, atol=1e-6)


def test_silence_mixes_to_silence() -> None:
    silence = np.zeros(100, np.float32)
    np.testing.assert_array_equal(mixed([silence, silence]), silence)
    assert len(mixed([silence[:0], silence[:0]])) == 0
