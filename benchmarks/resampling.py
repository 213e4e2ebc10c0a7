"""soxr beside torchaudio: what each does to a swept sine, to seams, and how long it takes.

A sine sweeps from 50 Hz to half the source's rate. Where it lies below 90 % of the target's
highest frequency, the output is held against the same sweep computed at the target's rate: a
ripple, a delay or a phase that is not linear all show as a difference. Where it lies above 110 %,
everything that comes out is aliasing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soxr
import torch
import torchaudio
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from transforms.audio_plan import RESAMPLER_CONTEXT_S
from transforms.resample import grid_samples

TARGET_HZ = 16_000
RATES_HZ = (8_000, 11_025, 22_050, 44_100, 48_000, 96_000)
SWEEP_S = 10.0
LOWEST_HZ = 50.0
EDGE_S = 0.1

Samples = NDArray[np.float32]
Resampler = Callable[[Samples, int, int], Samples]


@dataclass(frozen=True)
class Quality:
    """Decibels relative to the sweep; seams relative to full scale; audio seconds a second."""

    passband_error_db: float
    aliasing_db: float | None
    seam_db: float
    speed: float


def soxr_at(quality: str) -> Resampler:
    def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
        result: Samples = soxr.resample(samples, from_hz, to_hz, quality=quality)
        return result

    return resample


def torchaudio_with(width: int, method: str, rolloff: float, beta: float | None) -> Resampler:
    def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
        result: Samples = torchaudio.functional.resample(
            torch.from_numpy(samples),
            from_hz,
            to_hz,
            lowpass_filter_width=width,
            rolloff=rolloff,
            resampling_method=method,
            beta=beta,
        ).numpy()
        return result

    return resample


RESAMPLERS: dict[str, Resampler] = {
    "soxr HQ": soxr_at("HQ"),
    "soxr VHQ": soxr_at("VHQ"),
    "soxr MQ": soxr_at("MQ"),
    "torchaudio default": torchaudio_with(6, "sinc_interp_hann", 0.99, None),
    # The parameters that torchaudio's documentation gives for resampy's "kaiser_best".
    "torchaudio kaiser_best": torchaudio_with(
        64, "sinc_interp_kaiser", 0.9475937167399596, 14.769656459379492
    ),
}


def sweep(rate_hz: int, highest_hz: float) -> tuple[Samples, NDArray[np.float64]]:
    """A sine of amplitude 0.5 and its frequency at each sample."""
    times = np.arange(round(SWEEP_S * rate_hz)) / rate_hz
    slope = (highest_hz - LOWEST_HZ) / SWEEP_S
    phase = 2 * np.pi * (LOWEST_HZ * times + slope * times**2 / 2)
    return (0.5 * np.sin(phase)).astype(np.float32), LOWEST_HZ + slope * times


def measure(resample: Resampler, rate_hz: int, rounds: int) -> Quality:
    """What one resampler does from `rate_hz` to `TARGET_HZ`."""
    samples, _ = sweep(rate_hz, rate_hz / 2)
    # The same sweep as if it had been recorded at the target's rate; meaningless above its reach.
    ideal, frequency = sweep(TARGET_HZ, rate_hz / 2)
    result = resample(samples, rate_hz, TARGET_HZ)
    count = min(len(result), len(ideal))
    result, ideal, frequency = result[:count], ideal[:count], frequency[:count]
    reach_hz = min(rate_hz, TARGET_HZ) / 2
    inner = np.ones(count, bool)
    inner[: round(EDGE_S * TARGET_HZ)] = inner[-round(EDGE_S * TARGET_HZ) :] = False
    heard = inner & (frequency < 0.9 * reach_hz)
    above = inner & (frequency > 1.1 * reach_hz)
    return Quality(
        passband_error_db=_decibels(result[heard] - ideal[heard], 0.5 / np.sqrt(2)),
        aliasing_db=_decibels(result[above], 0.5 / np.sqrt(2)) if above.any() else None,
        seam_db=_seam(resample, rate_hz),
        speed=_speed(resample, rate_hz, rounds),
    )


def _seam(resample: Resampler, rate_hz: int) -> float:
    """The largest difference that cutting makes, where a piece keeps the context of a span."""
    samples = np.random.default_rng(0).uniform(-1, 1, 4 * rate_hz).astype(np.float32)
    grid = grid_samples(rate_hz, TARGET_HZ)
    context = int(np.ceil(RESAMPLER_CONTEXT_S * rate_hz / grid)) * grid
    start = 2 * rate_hz // grid * grid
    whole = resample(samples, rate_hz, TARGET_HZ)[start * TARGET_HZ // rate_hz :]
    piece = resample(samples[start - context :], rate_hz, TARGET_HZ)
    piece = piece[context * TARGET_HZ // rate_hz :]
    count = min(len(whole), len(piece))
    return float(20 * np.log10(np.abs(whole[:count] - piece[:count]).max() + 1e-12))


def _speed(resample: Resampler, rate_hz: int, rounds: int) -> float:
    samples = np.random.default_rng(0).uniform(-1, 1, 60 * rate_hz).astype(np.float32)
    walls = []
    for _ in range(rounds):
        start = time.perf_counter()
        resample(samples, rate_hz, TARGET_HZ)
        walls.append(time.perf_counter() - start)
    return 60 / float(np.median(walls))


def _decibels(values: Samples, reference: float) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(values))) / reference + 1e-12))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("resampler", "from Hz", "passband error dB", "aliasing dB", "seam dB", "RTFx")
    for rate_hz in RATES_HZ:
        for name, resample in RESAMPLERS.items():
            quality = measure(resample, rate_hz, arguments.rounds)
            table.add_row(
                name,
                str(rate_hz),
                f"{quality.passband_error_db:.0f}",
                "" if quality.aliasing_db is None else f"{quality.aliasing_db:.0f}",
                f"{quality.seam_db:.0f}",
                f"{quality.speed:.0f}",
            )
        table.add_section()
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
