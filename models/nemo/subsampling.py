"""Strided convolutions of features, before a Conformer.

Dong et al. 2018, "Speech-Transformer"; with depthwise convolutions Rekesh et al. 2023
(arXiv:2305.05084).

Letters: B batch, T frames, D features, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nemo.conformer_settings import ConformerSettings
from models.nemo.weights import Weights
from models.padding import frame_mask

KERNEL, STRIDE = 3, 2


class PlaneConvolution(nn.Module):
    """A convolution of `(B, C, T, D)` whose kernel of 3 by 3 moves by 2 by 2."""

    weight: Tensor
    bias: Tensor

    def __init__(
        self, weights: Weights, name: int, inputs: int, outputs: int, padding: tuple[int, int]
    ) -> None:
        super().__init__()
        self.padding = (*padding, *padding)
        self.groups = outputs if inputs == 1 < outputs and name > 0 else 1
        part = weights.under(name)
        self.register_buffer("weight", part.take("weight", outputs, inputs, KERNEL, KERNEL))
        self.register_buffer("bias", part.take("bias", outputs))

    def forward(self, plane: Tensor) -> Tensor:
        padded = F.pad(plane, self.padding)
        return F.conv2d(padded, self.weight, self.bias, stride=STRIDE, groups=self.groups)


class Subsampling(nn.Module):
    """Features `(B, T, D)` with lengths to `(B, T', width)` with lengths.

    The input of every convolution is zero at or past an item's length.
    """

    def __init__(self, settings: ConformerSettings, weights: Weights) -> None:
        super().__init__()
        # A causal one sees two frames back; one more zero on the right keeps the lengths.
        self.padding = (KERNEL - 1, STRIDE - 1) if settings.causal_subsampling else (1, 1)
        self.convolutions, self.mixing = nn.ModuleList(), nn.ModuleList()
        layers, channels = weights.under("conv"), settings.subsampling_channels
        bins = torch.tensor(settings.features)
        place = 0
        for index in range(settings.subsampling_factor.bit_length() - 1):
            separable = settings.separable_subsampling and index > 0
            inputs = 1 if separable or index == 0 else channels
            self.convolutions.append(
                PlaneConvolution(layers, place, inputs, channels, self.padding)
            )
            bins = self._shortened(bins)
            place += 1
            if settings.separable_subsampling:
                mixing: nn.Module = nn.Identity()
                if separable:
                    weight = layers.take(f"{place}.weight", channels, channels, 1, 1)
                    mixing = _PlaneMixing(weight, layers.take(f"{place}.bias", channels))
                    place += 1
                self.mixing.append(mixing)
            else:
                self.mixing.append(nn.Identity())
            place += 1  # the activation
        self.out = weights.linear("out", channels * int(bins), settings.width)

    def _shortened(self, lengths: Tensor) -> Tensor:
        return (lengths + sum(self.padding) - KERNEL) // STRIDE + 1

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        plane = features[:, None]
        for convolution, mixing in zip(self.convolutions, self.mixing, strict=True):
            plane = _masked(plane, lengths)
            plane = F.relu(mixing(convolution(plane)))
            lengths = self._shortened(lengths)
        return self.out(plane.transpose(1, 2).flatten(2)), lengths


class _PlaneMixing(nn.Module):
    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, plane: Tensor) -> Tensor:
        return F.conv2d(plane, self.weight, self.bias)


def _masked(plane: Tensor, lengths: Tensor) -> Tensor:
    return plane.masked_fill(~frame_mask(lengths, plane.shape[2])[:, None, :, None], 0.0)
