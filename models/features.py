"""Acoustic features of one waveform, so that no neighbour can reach them.

Letters: T frames, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LogMel(nn.Module):
    """Log-mel energies: power STFT, a mel filter bank, natural log with a floor.

    `(samples,)` in -1..1 becomes `(T, D)` with `T = 1 + samples // hop_samples`: frames are centred
    on multiples of the hop and the edges are reflected (Stevens, Volkmann & Newman 1937 for the mel
    scale; Davis & Mermelstein 1980 for the filter bank). The window is a periodic Hann window.

    Raises `ValueError` where there are too few samples to reflect (`num_fft // 2` or fewer).
    """

    window: Tensor
    filters: Tensor

    def __init__(self, num_fft: int, hop_samples: int, num_filters: int, floor: float) -> None:
        super().__init__()
        self.num_fft = num_fft
        self.hop_samples = hop_samples
        self.floor = floor
        self.register_buffer("window", torch.hann_window(num_fft), persistent=False)
        self.register_buffer("filters", torch.zeros(num_fft // 2 + 1, num_filters))

    def forward(self, waveform: Tensor) -> Tensor:
        if len(waveform) <= self.num_fft // 2:
            raise ValueError(
                f"log-mel features need more than {self.num_fft // 2} samples, got {len(waveform)}"
            )
        spectrum = torch.stft(
            waveform,
            self.num_fft,
            self.hop_samples,
            window=self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log(torch.clamp(power.T @ self.filters, min=self.floor))
