"""Cuts lie where it is quiet, and everyone who reads the same samples finds the same place."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from transforms.quiet import PAUSE_S, SILENCE_PEAK, is_silent, quietest_sample, sound_regions

RATE_HZ = 8000
HALF_PAUSE = round(PAUSE_S * RATE_HZ / 2)


def noise(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)


@given(st.integers(0, 12_000), st.integers(0, 2**32 - 1), st.sampled_from([1, 8, 80, 441]))
def test_is_a_multiple_of_the_step_within_the_samples(count: int, seed: int, step: int) -> None:
    samples = noise(count, seed)
    position = quietest_sample(samples, RATE_HZ, step)
    assert position % step == 0
    assert 0 <= position <= count
    assert position == quietest_sample(samples.copy(), RATE_HZ, step)


def test_depends_on_the_slice_alone() -> None:
    around = noise(8000, 1)
    left, right = noise(3000, 2), noise(500, 3)
    whole = np.concatenate([left, around, right])
    assert quietest_sample(whole[3000:11_000], RATE_HZ) == quietest_sample(around, RATE_HZ)


@given(st.integers(HALF_PAUSE, 16_000 - HALF_PAUSE), st.integers(0, 99))
def test_finds_a_planted_pause(centre: int, seed: int) -> None:
    samples = noise(16_000, seed)
    samples[centre - HALF_PAUSE : centre + HALF_PAUSE] *= 1e-3
    assert abs(quietest_sample(samples, RATE_HZ) - centre) <= RATE_HZ // 1000


def test_the_quieter_of_two_pauses_wins() -> None:
    samples = noise(16_000)
    samples[1000:3000] *= 0.01
    samples[12_000:14_000] *= 0.001
    assert 12_000 <= quietest_sample(samples, RATE_HZ) <= 14_000


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_of_equals_the_one_nearest_to_the_middle(value: float) -> None:
    samples = np.full(8000, value, dtype=np.float32)
    assert abs(quietest_sample(samples, RATE_HZ) - 4000) <= RATE_HZ // 1000


def test_of_two_silences_the_one_nearer_to_the_middle() -> None:
    samples = noise(16_000)
    samples[1000:3000] = 0.0
    samples[9000:11_000] = 0.0
    assert quietest_sample(samples, RATE_HZ) == 9000 + HALF_PAUSE


@pytest.mark.parametrize("count", [0, 1, 100, 2 * HALF_PAUSE - 1])
@pytest.mark.parametrize("step", [1, 7])
def test_shorter_than_a_pause_is_cut_in_the_middle(count: int, step: int) -> None:
    assert quietest_sample(noise(count), RATE_HZ, step) == count // 2 // step * step


def test_energy_and_not_a_zero_crossing_decides() -> None:
    """A single sample of nothing within noise is not a pause."""
    samples = noise(16_000)
    samples[3000] = 0.0
    samples[10_000:12_000] *= 0.1
    assert 10_000 <= quietest_sample(samples, RATE_HZ) <= 12_000


def test_silence_is_70_db_below_full_scale() -> None:
    assert pytest.approx(-70) == 20 * np.log10(SILENCE_PEAK)
    assert is_silent(np.zeros(0, dtype=np.float32))
    assert is_silent(np.zeros(10, dtype=np.float32))
    below = np.full(10, SILENCE_PEAK * 0.99, dtype=np.float32)
    assert is_silent(below)
    assert is_silent(-below)
    for peak in (SILENCE_PEAK * 1.01, -SILENCE_PEAK * 1.01, 1.0):
        samples = np.zeros(1000, dtype=np.float32)
        samples[7] = peak
        assert not is_silent(samples)


@pytest.mark.parametrize("offset", [0.0, 0.1, -0.5])
def test_an_offset_and_dither_are_silent(offset: float) -> None:
    """A dead input of 16 bits: a constant, and the last bit that comes and goes."""
    bits = np.random.default_rng(0).integers(-1, 2, 480_000)
    assert is_silent((offset + bits / 32_768).astype(np.float32))
    whisper = 0.001 * np.sin(np.arange(480_000) / 10)
    assert not is_silent((offset + whisper).astype(np.float32))


def tone(count: int, peak: float) -> NDArray[np.float32]:
    return np.resize(np.array([peak, -peak], np.float32), count)


@given(st.lists(st.tuples(st.integers(1, 3000), st.booleans()), max_size=12))
def test_sound_regions_hold_every_sound(stretches: list[tuple[int, bool]]) -> None:
    parts = [tone(2 * count, 0.5 if loud else 1e-4) for count, loud in stretches]
    samples = np.concatenate([np.zeros(0, np.float32), *parts])
    regions = sound_regions(samples, 1000)
    inside = np.zeros(len(samples), dtype=bool)
    for start, end in regions:
        assert 0 <= start < end <= len(samples)
        assert not inside[start:end].any()
        inside[start:end] = True
    assert inside[np.abs(samples) == 0.5].all()
    for (_, before), (after, _) in itertools.pairwise(regions):
        assert after - before >= 1000 - 500


def test_a_long_silence_parts_sound_and_a_short_one_does_not() -> None:
    samples = tone(10_000, 0.5)
    samples[2000:2900] = 0.0
    samples[5000:6500] = 0.0
    assert sound_regions(samples, 1000) == [(0, 5250), (6250, 10_000)]
    assert sound_regions(np.zeros(5000, np.float32), 1000) == []
