"""Loudness by the test signals of EBU Tech 3341, and gains that reach their level."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from transforms.amplitude import LOUDNESS, NONE, PEAK, PEAK_DBFS, Meter

RATE_HZ = 16_000


def tone(seconds: float, dbfs: float, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (10 ** (dbfs / 20) * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)


def heard(samples: NDArray[np.float32], rate_hz: int = RATE_HZ, pieces: int = 1) -> Meter:
    meter = Meter(rate_hz)
    for piece in np.array_split(samples, pieces):
        meter.add(piece)
    return meter


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 48_000])
@pytest.mark.parametrize(
    ("stretches", "lufs"),
    [
        ([(20.0, -23.0)], -23.0),
        ([(20.0, -33.0)], -33.0),
        ([(10.0, -36.0), (60.0, -23.0), (10.0, -36.0)], -23.0),
        ([(10.0, -72.0), (10.0, -36.0), (60.0, -23.0), (10.0, -36.0), (10.0, -72.0)], -23.0),
    ],
    ids=["case 1", "case 2", "case 3", "case 4"],
)
def test_the_signals_of_ebu_tech_3341(
    rate_hz: int, stretches: list[tuple[float, float]], lufs: float
) -> None:
    """Cases 1 to 4 of table 1: 0.1 LU is allowed."""
    samples = np.concatenate([tone(seconds, dbfs, rate_hz) for seconds, dbfs in stretches])
    meter = heard(samples, rate_hz)
    assert meter.loudness_lufs == pytest.approx(lufs, abs=0.1)


def test_pieces_do_not_matter() -> None:
    random = np.random.default_rng(0)
    samples = (random.normal(0, 0.05, 7 * RATE_HZ) * np.linspace(0, 1, 7 * RATE_HZ)).astype("f4")
    whole, pieces = heard(samples), heard(samples, pieces=23)
    assert (whole.peak, whole.loudness_lufs) == (pieces.peak, pieces.loudness_lufs)


def test_gains_reach_their_level() -> None:
    samples = tone(5.0, -40.0)
    meter = heard(samples)
    assert meter.gain(NONE) == 1.0
    peak = heard(samples * np.float32(meter.gain(PEAK)))
    assert 20 * np.log10(peak.peak) == pytest.approx(PEAK_DBFS, abs=0.01)
    loud = heard(samples * np.float32(meter.gain(LOUDNESS)))
    assert loud.loudness_lufs == pytest.approx(-23.0, abs=0.1)
    assert heard(tone(5.0, -6.0)).gain(LOUDNESS) == pytest.approx(10 ** (-17 / 20), rel=0.02)


def test_loudness_never_clips() -> None:
    samples = tone(5.0, -50.0)
    samples[1000] = 0.5
    meter = heard(samples)
    assert meter.gain(LOUDNESS) == meter.gain(PEAK) == pytest.approx(10 ** (-1 / 20) / 0.5)


@pytest.mark.parametrize("normalisation", [PEAK, LOUDNESS])
def test_silence_stays_silent(normalisation: str) -> None:
    assert heard(tone(5.0, -80.0)).gain(normalisation) == 1.0
    assert heard(np.zeros(0, np.float32)).gain(normalisation) == 1.0
    assert heard(tone(0.1, -20.0)).gain(LOUDNESS) == 1.0  # too short to be measured
