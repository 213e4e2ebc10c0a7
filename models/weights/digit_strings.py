"""Strings of spoken digits, in other voices, rooms and channels than they were recorded in.

From the clips of the free spoken digit dataset (8 kHz) each string takes one speaker and changes
pitch, formants and tempo independently, then adds gaps, noise, a room and a telephone. All
randomness comes from the generator that is handed in. Where each digit stands is known.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

RATE_HZ = 8_000
NUM_FFT, HOP = 256, 64

Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Clip:
    """One spoken digit as it was cut; its peak is 1."""

    speaker: str
    digit: int
    samples: Samples


@dataclass(frozen=True, eq=False)
class DigitString:
    """Audio at 8 kHz and its digits: `spans_s[i]` is where `digits[i]` stands, in seconds."""

    samples: Samples
    digits: tuple[int, ...]
    spans_s: tuple[tuple[float, float], ...]


def read_clips(folder: Path) -> list[Clip]:
    """Every clip of the folder's `index.tsv`: speaker, digit, take, file, start, number."""
    sounds: dict[str, Samples] = {}
    clips = []
    with (folder / "index.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["file"] not in sounds:
                sounds[row["file"]], rate_hz = soundfile.read(folder / row["file"], dtype="float32")
                if rate_hz != RATE_HZ:
                    raise ValueError(f"{row['file']} has {rate_hz} Hz, expected {RATE_HZ}")
            start = int(row["start_sample"])
            samples = sounds[row["file"]][start : start + int(row["num_samples"])]
            clips.append(Clip(row["speaker"], int(row["digit"]), _levelled(samples)))
    return clips


def _levelled(samples: Samples) -> Samples:
    return samples / max(float(np.abs(samples).max()), 1e-4)


def synthesise(
    clips: Mapping[int, Sequence[Clip]], count: int, changed: float, random: np.random.Generator
) -> DigitString:
    """`count` digits of one speaker's clips in a voice, room and channel drawn from `random`.

    `changed` is the share of strings that do not keep their speaker's own voice and a quiet line.
    """
    digits = random.integers(0, 10, count)
    longest_gap_s = random.choice([0.05, 0.3, 0.7, 1.5], p=[0.35, 0.3, 0.2, 0.15])
    lead_s, tail_s = random.exponential(0.35) + 0.02, random.exponential(0.35) + 0.02
    parts: list[Samples] = [np.zeros(int(lead_s * RATE_HZ), dtype=np.float32)]
    spans, position = [], len(parts[0])
    for place, digit in enumerate(digits):
        choices = clips[int(digit)]
        samples = choices[int(random.integers(len(choices)))].samples
        samples = _resample(samples, random.uniform(0.95, 1.05))
        samples = samples * 10 ** (random.uniform(-4, 4) / 20)
        spans.append((position, position + len(samples)))
        gap = 0 if place == count - 1 else int(random.uniform(0, longest_gap_s) * RATE_HZ)
        parts += [samples, np.zeros(gap, dtype=np.float32)]
        position += len(samples) + gap
    parts.append(np.zeros(int(min(tail_s, 1.5) * RATE_HZ), dtype=np.float32))
    sound = np.concatenate(parts).astype(np.float32)
    length = len(sound)
    if random.random() < changed:
        sound = _channel(_room(revoice(sound, random), random), random).astype(np.float32)
    scale = len(sound) / length / RATE_HZ
    return DigitString(
        sound,
        tuple(int(digit) for digit in digits),
        tuple((start * scale, end * scale) for start, end in spans),
    )


def revoice(samples: Samples, random: np.random.Generator) -> Samples:
    """Another speaker's throat: resampled, or with pitch, formants and tempo changed apart."""
    if random.random() < 0.3:
        return _resample(samples, random.uniform(0.82, 1.25))
    pitch = float(np.exp(random.uniform(np.log(0.8), np.log(2.1))))
    formants = random.uniform(0.87, 1.27)
    tempo = random.uniform(0.82, 1.22)
    # Throats differ in more than their length: low and high formants move by factors of their own.
    low, high = formants * np.exp(random.normal(0, 0.05, 2))
    stretched = _stretch(samples, tempo / pitch)
    return _warp_envelope(_resample(stretched, pitch), low / pitch, high / pitch)


def _resample(samples: Samples, faster: float) -> Samples:
    if len(samples) < 8:
        return samples
    return np.asarray(soxr.resample(samples, RATE_HZ * faster, RATE_HZ, "LQ"), dtype=np.float32)


def _stft(samples: Samples) -> NDArray[np.complex64]:
    padded = np.pad(samples, NUM_FFT)
    frames = np.lib.stride_tricks.sliding_window_view(padded, NUM_FFT)[::HOP]
    return np.fft.rfft(frames * np.hanning(NUM_FFT).astype(np.float32)).astype(np.complex64)


def _istft(spectrum: NDArray[np.complex64], length: int) -> Samples:
    window = np.hanning(NUM_FFT).astype(np.float32)
    frames = np.fft.irfft(spectrum, NUM_FFT).astype(np.float32) * window
    overlap = NUM_FFT // HOP
    blocks = frames.reshape(len(frames), overlap, HOP)
    total = np.zeros((len(frames) + overlap - 1, HOP), dtype=np.float32)
    for index in range(overlap):
        total[index : index + len(frames)] += blocks[:, index]
    flat = total.reshape(-1) / float((window**2).sum() / HOP)
    flat = flat[NUM_FFT : NUM_FFT + length]
    return np.pad(flat, (0, length - len(flat)))


def _stretch(samples: Samples, faster: float) -> Samples:
    """Phase vocoder (Flanagan & Golden 1966): `faster` times the tempo, the same pitch."""
    spectrum = _stft(samples)
    places = np.arange(0, len(spectrum) - 1.001, faster)
    left = places.astype(int)
    share = (places - left)[:, None].astype(np.float32)
    magnitude = np.abs(spectrum)
    magnitude = (1 - share) * magnitude[left] + share * magnitude[left + 1]
    # Each frame keeps its own phase but for what the other tempo has added up since the last
    # silence, so that the harmonics of a word begin together.
    phase = np.angle(spectrum)
    turn = phase[left[:-1] + 1] - phase[left[:-1]]
    drift = np.cumsum(_wrapped(turn - np.diff(phase[left], axis=0)), axis=0)
    drift = np.concatenate([np.zeros((1, drift.shape[1])), drift])
    silent = magnitude.max(axis=1) < 1e-3
    since = np.maximum.accumulate(np.where(silent, np.arange(len(left)), 0))
    phase = phase[left] + drift - drift[since]
    result = (magnitude * np.exp(1j * phase)).astype(np.complex64)
    return _istft(result, int(len(samples) / faster))


def _wrapped(angles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Angles in -pi..pi."""
    return np.asarray(np.angle(np.exp(1j * angles)), dtype=np.float32)


def _warp_envelope(samples: Samples, low: float, high: float) -> Samples:
    """Move the formants, those at 500 Hz by `low` and those from 2,500 Hz by `high`.

    The pitch stays: only cepstral envelopes, of lags up to 2.5 ms, are moved.
    """
    spectrum = _stft(samples)
    log_magnitude = np.log(np.abs(spectrum) + 1e-4)
    cepstrum = np.fft.irfft(log_magnitude, NUM_FFT)
    cepstrum[:, 20 : NUM_FFT - 19] = 0
    envelope = np.fft.rfft(cepstrum).real.astype(np.float32)
    bins = np.arange(envelope.shape[1])
    factors = np.interp(bins * RATE_HZ / NUM_FFT, [500, 2_500], [low, high])
    source = np.minimum(bins / factors, bins[-1])
    left = np.minimum(source.astype(int), bins[-1] - 1)
    share = (source - left).astype(np.float32)
    warped = (1 - share) * envelope[:, left] + share * envelope[:, left + 1]
    gain = np.exp(np.clip(warped - envelope, -3.0, 3.0))
    return _istft((spectrum * gain).astype(np.complex64), len(samples))


def _room(samples: Samples, random: np.random.Generator) -> Samples:
    """A direct path and noise that decays (Polack 1988), in two of five strings."""
    if random.random() > 0.4:
        return samples
    decay_s = random.uniform(0.1, 0.7)
    time_s = np.arange(int(decay_s * RATE_HZ)) / RATE_HZ
    tail = random.standard_normal(len(time_s)) * np.exp(-6.9 * time_s / decay_s)
    tail[: int(random.uniform(0.001, 0.01) * RATE_HZ)] = 0
    tail *= 10 ** (random.uniform(-20, 0) / 20) / max(float(np.sqrt((tail**2).sum())), 1e-6)
    tail[0] = 1.0
    size = len(samples) + len(tail)
    product = np.fft.rfft(samples, size) * np.fft.rfft(tail, size)
    return np.fft.irfft(product, size)[: len(samples)].astype(np.float32)


def _channel(samples: Samples, random: np.random.Generator) -> NDArray[np.float64]:
    """Level, noise, colour, band, coding: what lies between a mouth and a file."""
    length = len(samples)
    sound = samples.astype(np.float64)
    if random.random() < 0.75:
        power = float((sound**2).mean()) or 0.01
        sound += _noise(length, random) * np.sqrt(power) * 10 ** (-random.uniform(5, 40) / 20)
    spectrum = np.fft.rfft(sound)
    places_hz = np.linspace(0, RATE_HZ / 2, len(spectrum))
    knots_hz = np.array([0, 250, 500, 1000, 1500, 2200, 3000, 4000])
    colour_db = np.interp(places_hz, knots_hz, random.normal(0, 3.0, len(knots_hz)))
    # Microphones of the data set differ by 20 dB between 500 Hz and 3 kHz, so others may too.
    colour_db += random.uniform(-6, 6) * np.log2(np.maximum(places_hz, 100) / 1_000)
    if random.random() < 0.4:
        low_hz, high_hz = random.uniform(150, 400), random.uniform(3000, 3700)
        outside = np.maximum(low_hz - places_hz, 0) / 60 + np.maximum(places_hz - high_hz, 0) / 60
        colour_db -= np.minimum(outside * 6, 40)
    sound = np.fft.irfft(spectrum * 10 ** (colour_db / 20), length)
    sound *= 10 ** (random.uniform(-32, -0.5) / 20) / max(float(np.abs(sound).max()), 1e-6)
    if random.random() < 0.25:
        # The mu-law of a telephone exchange (ITU-T G.711), as a formula.
        companded = np.sign(sound) * np.log1p(255 * np.abs(sound)) / np.log(256)
        companded = np.round(companded * 127) / 127
        sound = np.sign(companded) * np.expm1(np.abs(companded) * np.log(256)) / 255
    elif random.random() < 0.5:
        sound = np.round(sound * 32767) / 32767
    return sound


def _noise(length: int, random: np.random.Generator) -> NDArray[np.float64]:
    """White, pink, brown or humming noise, steady or swelling, of power one."""
    slope = random.choice([0.0, 0.5, 1.0, 1.3])
    spectrum = np.fft.rfft(random.standard_normal(length))
    spectrum /= np.maximum(np.arange(len(spectrum)) / length * RATE_HZ, 30) ** slope
    noise = np.fft.irfft(spectrum, length)
    noise /= max(float(np.sqrt((noise**2).mean())), 1e-9)
    if random.random() < 0.15:
        time_s = np.arange(length) / RATE_HZ
        base_hz = random.choice([50, 60, 100, 120])
        hum = sum(random.random() / k * np.sin(2 * np.pi * base_hz * k * time_s) for k in (1, 2, 3))
        noise = noise + 2 * hum
    if random.random() < 0.3:
        knots = random.uniform(0.1, 1.5, max(2, length // 4000))
        noise = noise * np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(knots)), knots)
    return noise
