"""NeMo's `ConvASREncoder`: Jasper, QuartzNet, Citrinet.

Li et al. 2019 (arXiv:1904.03288), Kriman et al. 2020 (arXiv:1910.10261), Majumdar et al. 2021
(arXiv:2104.01721). Everything is kept as `(B, T, C)`, so that pointwise convolutions are matrix
products; batch norms are folded into the convolution before them.

Letters: B batch, T frames, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nemo.convolutional_settings import BlockSettings, ConvolutionalSettings
from models.nemo.time_convolution import TimeConvolution
from models.nemo.weights import Affine, Weights
from models.padding import frame_mask, silence_padding

BATCH_NORM_EPSILON = 1e-3

Activation = Callable[[Tensor], Tensor]
# All are 0 at 0: silent frames stay silent.
ACTIVATIONS: dict[str, Activation] = {
    "relu": F.relu_,
    "hardtanh": F.hardtanh,
    "selu": F.selu,
    "swish": F.silu,
    "silu": F.silu,
    "gelu": F.gelu,
    "identity": lambda hidden: hidden,
}


class SqueezeExcite(nn.Module):
    """Channels weighted by their mean over an item's real frames (Hu et al., arXiv:1709.01507).

    Frames past each item's length are zero, and stay so. NeMo's context window belongs to training:
    in evaluation all frames are averaged.
    """

    def __init__(
        self, weights: Weights, width: int, reduction: int, activation: Activation
    ) -> None:
        super().__init__()
        self.squeeze = weights.linear("fc.0", width, width // reduction, bias=False)
        self.excite = weights.linear("fc.2", width // reduction, width, bias=False)
        self.activation = activation

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        mean = hidden.sum(dim=1, keepdim=True) / lengths[:, None, None].clamp(min=1)
        return hidden * torch.sigmoid(self.excite(self.activation(self.squeeze(mean))))


class Block(nn.Module):
    """`repeat` convolutions beside a residual of each of `inputs`, the widths that enter."""

    def __init__(
        self,
        weights: Weights,
        settings: BlockSettings,
        inputs: Sequence[int],
        activation: Activation,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.activation = activation
        self.depthwise, self.mixing = nn.ModuleList(), nn.ModuleList()
        convolutions, width, place = weights.under("mconv"), inputs[-1], 0
        for stride in settings.strides:
            place = self._read_convolution(convolutions, place, width, stride)
            width = settings.filters
            place += 2  # activation, dropout
        self.squeeze_excite = (
            SqueezeExcite(convolutions.under(place - 2), width, settings.squeeze, activation)
            if settings.squeeze
            else None
        )
        self.residuals = nn.ModuleList(
            _with_norm(
                residual.pointwise("0.conv", width_in, width, bias=False), residual, "1", width
            )
            for residual, width_in in (
                (weights.under("res").under(index), width_in)
                for index, width_in in enumerate(inputs if settings.residual else ())
            )
        )

    def _read_convolution(self, weights: Weights, place: int, width: int, stride: int) -> int:
        """Take one convolution and its norm from `place` on; returns the place after them."""
        settings, filters = self.settings, self.settings.filters
        inputs = 1 if settings.separable else width
        outputs = width if settings.separable else filters
        kernel = weights.take(f"{place}.conv.weight", outputs, inputs, settings.kernel)
        if settings.separable:
            mixing = weights.pointwise(f"{place + 1}.conv", width, filters, bias=False)
            bias = None
            self.mixing.append(_with_norm(mixing, weights, str(place + 2), filters))
        else:
            scale, bias = weights.batch_norm(str(place + 1), filters, BATCH_NORM_EPSILON)
            kernel = kernel * scale[:, None, None]
        self.depthwise.append(
            TimeConvolution(kernel, bias, settings.padding, stride, settings.dilation)
        )
        return place + (3 if settings.separable else 2)

    def forward(self, panes: Sequence[Tensor], lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`panes` `(B, T, C_i)`, the last one this block's input, to `(B, T', C)` and lengths.

        Frames past each item's length are zero in both.
        """
        hidden = panes[-1]
        for index, convolution in enumerate(self.depthwise):
            if index:
                hidden = self.activation(hidden)
            hidden, lengths = convolution(hidden, lengths)
            if self.mixing:
                hidden = self.mixing[index](hidden)
            hidden = silence_padding(hidden, lengths)
        if self.squeeze_excite is not None:
            hidden = self.squeeze_excite(hidden, lengths)
        strided = self.settings.residual_mode == "stride_add"
        for residual, pane in zip(self.residuals, panes, strict=False):
            other = residual(pane[:, :: self.settings.stride] if strided else pane)
            if self.settings.residual_mode == "max":
                hidden = torch.maximum(hidden, other)
            else:
                hidden = hidden + other
        if self.residuals:
            hidden = silence_padding(hidden, lengths)
        return self.activation(hidden), lengths


def _with_norm(mixing: Affine, weights: Weights, place: str, width: int) -> Affine:
    return mixing.scaled(*weights.batch_norm(place, width, BATCH_NORM_EPSILON))


class ConvolutionalEncoder(nn.Module):
    """Features `(B, T, D)` with lengths `(B,)` to `(B, T', C)` with lengths."""

    def __init__(self, settings: ConvolutionalSettings, weights: Weights) -> None:
        super().__init__()
        self.settings = settings
        activation = ACTIVATIONS[settings.activation]
        self.blocks = nn.ModuleList()
        dense: list[int] = []
        width = settings.features
        for index, block in enumerate(settings.blocks):
            if block.dense:
                dense.append(width)
            inputs = tuple(dense) if block.dense else (width,)
            self.blocks.append(
                Block(weights.under("encoder").under(index), block, inputs, activation)
            )
            width = block.filters

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        mask = frame_mask(lengths, features.shape[1])
        panes: list[Tensor] = [features.masked_fill(~mask[..., None], 0.0)]
        for settings, block in zip(self.settings.blocks, self.blocks, strict=True):
            hidden, lengths = block(panes, lengths)
            panes = [*panes, hidden] if settings.dense and settings.residual else [hidden]
        return panes[-1], lengths
