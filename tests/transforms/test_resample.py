"""Resampling keeps time: a moment lies at the same second before and after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from transforms.resample import grid_samples, resample

RATES_HZ = [8000, 11_025, 16_000, 22_050, 44_100, 48_000]


def tone(rate_hz: int, seconds: float, frequency_hz: float = 440.0) -> NDArray[np.float32]:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


def test_grid_of_known_rates() -> None:
    assert grid_samples(44_100, 16_000) == 441
    assert grid_samples(48_000, 16_000) == 3
    assert grid_samples(8000, 16_000) == 1
    assert grid_samples(16_000, 16_000) == 1
    assert grid_samples(44_101, 16_000) == 44_101


@given(st.integers(1, 768_000), st.integers(1, 48_000))
def test_grid_is_the_least_that_is_whole_at_both_rates(from_hz: int, to_hz: int) -> None:
    grid = grid_samples(from_hz, to_hz)
    assert grid * to_hz % from_hz == 0
    assert from_hz % grid == 0
    assert all(
        grid // prime * to_hz % from_hz for prime in (2, 3, 5, 7, 11, 13) if grid % prime == 0
    )


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_tone_stays_where_it_was(rate_hz: int) -> None:
    resampled = resample(tone(rate_hz, 1.0), rate_hz, 16_000)
    assert resampled.dtype == np.float32
    assert abs(len(resampled) - 16_000) <= 1
    inner = slice(800, 15_200)
    np.testing.assert_allclose(resampled[inner], tone(16_000, 1.0)[inner], atol=1e-3)


def test_the_same_rate_changes_nothing() -> None:
    samples = tone(16_000, 0.1)
    np.testing.assert_array_equal(resample(samples, 16_000, 16_000), samples)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_what_the_model_cannot_hear_does_not_fold_back(rate_hz: int) -> None:
    resampled = resample(tone(rate_hz, 1.0, frequency_hz=15_000.0), rate_hz, 16_000)
    assert np.abs(resampled[800:15_200]).max() < 1e-3


@given(st.integers(0, 5000), st.sampled_from(RATES_HZ))
def test_length_follows_the_rates(count: int, rate_hz: int) -> None:
    samples = np.zeros(count, dtype=np.float32)
    assert abs(len(resample(samples, rate_hz, 16_000)) - count * 16_000 / rate_hz) <= 1


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_piece_from_the_grid_equals_the_same_piece_of_the_whole(rate_hz: int) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * rate_hz).astype(np.float32)
    grid = grid_samples(rate_hz, 16_000)
    first = rate_hz // 2 // grid * grid
    place = first * 16_000 // rate_hz
    piece = resample(samples[first:], rate_hz, 16_000)
    whole = resample(samples, rate_hz, 16_000)[place:]
    assert len(piece) == len(whole)
    # A span's pieces keep 50 ms of context: as much is left aside here.
    np.testing.assert_allclose(piece[800:], whole[800:], atol=2e-6)
