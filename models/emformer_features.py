"""Log-mel features under global statistics, of a whole waveform or of its pieces alike.

The features of torchaudio's Emformer RNN-T bundles: power STFT with a periodic Hann window,
centred, edges reflected; mel filters (HTK scale, no norm); a logarithm that is linear below e;
then each filter minus its mean over its deviation in the training data. Emformer's attention does
not know the order of what it sees; where a model asks for it, a frame also holds earlier ones.

Letters: T frames, D features.
"""

from __future__ import annotations

import math

import torch
import torchaudio
from torch import Tensor, nn

# The bundles scale power as though samples were 16-bit integers, squared once more.
GAIN = float(torch.iinfo(torch.int16).max) ** 2


class GlobalLogMel(nn.Module):
    """`(samples,)` in -1..1 to `(T, D)` with `T = 1 + samples // hop_samples`.

    `D` is `num_filters * (1 + echoes)`: echo k is the frame `k * echo_frames` before, zeros before
    the first. Raises `ValueError` where there are too few samples to reflect: `num_fft // 2`, or
    fewer.
    """

    window: Tensor
    filters: Tensor
    mean: Tensor
    invstddev: Tensor

    def __init__(
        self,
        sample_rate_hz: int,
        num_fft: int,
        hop_samples: int,
        num_filters: int,
        lowest_hz: float,
        highest_hz: float,
        echoes: int = 0,
        echo_frames: int = 4,
    ) -> None:
        super().__init__()
        self.num_fft = num_fft
        self.hop_samples = hop_samples
        self.echoes = echoes
        self.echo_frames = echo_frames
        filters = torchaudio.functional.melscale_fbanks(
            num_fft // 2 + 1, lowest_hz, highest_hz, num_filters, sample_rate_hz
        )
        self.register_buffer("window", torch.hann_window(num_fft), persistent=False)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("mean", torch.zeros(num_filters))
        self.register_buffer("invstddev", torch.ones(num_filters))

    def forward(self, waveform: Tensor) -> Tensor:
        reach = self.num_fft // 2
        if len(waveform) <= reach:
            raise ValueError(f"features need more than {reach} samples, got {len(waveform)}")
        padded = nn.functional.pad(waveform[None], (reach, reach), mode="reflect")[0]
        return self.with_echoes(self.frames(padded), self.silence())

    def silence(self) -> Tensor:
        """What is taken to lie before the first frame: the `(T, num_filters)` that echoes need."""
        return self.mean.new_zeros(self.echoes * self.echo_frames, len(self.mean))

    def with_echoes(self, frames: Tensor, before: Tensor) -> Tensor:
        """`(T, num_filters)` and the frames before them, as many as `silence` has, to `(T, D)`."""
        line = torch.cat([before, frames])
        starts = [len(before) - echo * self.echo_frames for echo in range(self.echoes + 1)]
        return torch.cat([line[start : start + len(frames)] for start in starts], dim=1)

    def frames(self, samples: Tensor) -> Tensor:
        """Every whole window of `(samples,)` from the first sample on, without echoes."""
        windows = samples.unfold(0, self.num_fft, self.hop_samples)
        spectrum = torch.fft.rfft(windows * self.window)
        power = spectrum.real.square() + spectrum.imag.square()
        return (self.compress(power @ self.filters) - self.mean) * self.invstddev

    def compress(self, energies: Tensor) -> Tensor:
        energies = energies * GAIN
        return torch.where(
            energies > math.e, torch.log(energies.clamp(min=math.e)), energies / math.e
        )
