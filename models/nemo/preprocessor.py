"""Log-mel features as NeMo's `AudioToMelSpectrogramPreprocessor` makes them in evaluation.

Letters: T frames, D features.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.nemo.mel_settings import MelSettings
from models.nemo.weights import Weights

DEVIATION_FLOOR = 1e-5


class MelPreprocessor(nn.Module):
    """A waveform's features `(T, D)`, alone, so that no neighbour reaches them.

    T is `samples // hop_samples`; frame t is centred on sample `t * hop_samples`, with zeros
    beyond the edges. Dither belongs to training and is left out, padding belongs to the batch.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, settings: MelSettings, weights: Weights) -> None:
        super().__init__()
        self.settings = settings
        bins = settings.num_fft // 2 + 1
        # A checkpoint carries both; files without them are told by the configuration.
        if weights.has("window"):
            window = weights.take("window", settings.window_samples)
        else:
            make_window = getattr(torch, f"{settings.window}_window")
            window = make_window(settings.window_samples, periodic=False)
        if weights.has("fb"):
            filters = weights.take("fb", 1, settings.filters, bins)[0]
        else:
            filters = torch.from_numpy(mel_filters(settings))
        self.register_buffer("window", window)
        self.register_buffer("filters", filters.T.contiguous())

    def forward(self, waveform: Tensor) -> Tensor:
        """`(samples,)` in -1..1 to `(T, D)`. Raises `ValueError` where there is no whole frame."""
        settings = self.settings
        frames = settings.num_frames(len(waveform))
        if frames == 0:
            raise ValueError(
                f"features need at least {settings.hop_samples} samples, got {len(waveform)}"
            )
        if settings.preemphasis:
            rest = waveform[1:] - settings.preemphasis * waveform[:-1]
            waveform = torch.cat((waveform[:1], rest))
        spectrum = torch.stft(
            waveform,
            settings.num_fft,
            settings.hop_samples,
            settings.window_samples,
            window=self.window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )[:, :frames]
        energy = spectrum.real.square() + spectrum.imag.square()
        if settings.power != 2.0:
            energy = energy.pow(settings.power / 2)
        features = energy.T @ self.filters
        if settings.logarithmic:
            guarded = (
                features.clamp(min=settings.floor) if settings.clamps else features + settings.floor
            )
            features = torch.log(guarded)
        return normalized(features, settings.normalize)


def normalized(features: Tensor, normalize: str) -> Tensor:
    """`(T, D)` to mean 0 and deviation 1, of each feature or of all together."""
    if not normalize:
        return features
    count = len(features) if normalize == "per_feature" else features.numel()
    axes = (0,) if normalize == "per_feature" else (0, 1)
    centred = features - features.mean(dim=axes, keepdim=True)
    squares = centred.square().sum(dim=axes, keepdim=True)
    return centred / ((squares / max(count - 1, 1)).sqrt() + DEVIATION_FLOOR)


def mel_filters(settings: MelSettings) -> NDArray[np.float32]:
    """Slaney's triangular filters `(filters, num_fft // 2 + 1)`, each of area 1.

    Linear below 1 kHz, logarithmic above (Slaney, "Auditory Toolbox", 1998), as librosa has them.
    """
    break_hz, mels_per_hz, log_step = 1000.0, 3 / 200, math.log(6.4) / 27

    def to_mel(hz: float) -> float:
        if hz < break_hz:
            return hz * mels_per_hz
        return break_hz * mels_per_hz + math.log(hz / break_hz) / log_step

    mels = np.linspace(
        to_mel(settings.lowest_hz), to_mel(settings.highest_hz), settings.filters + 2
    )
    break_mel = break_hz * mels_per_hz
    edges = np.where(
        mels < break_mel, mels / mels_per_hz, break_hz * np.exp(log_step * (mels - break_mel))
    )
    bins = np.linspace(0.0, settings.sample_rate_hz / 2, settings.num_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area = 2.0 / (edges[2:] - edges[:-2])
    return np.asarray(triangles * area[:, None], np.float32)
