"""A convolution over time, with the channels last.

Tensors stay `(B, T, C)`: on a CPU, depthwise convolutions with the channels last are several
times as fast.

Letters: B batch, T frames, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TimeConvolution(nn.Module):
    """A convolution over time of `(B, T, C)` whose frames past each item's length are zero.

    What those of the result hold is not defined.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        padding: tuple[int, int],
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        """`weight` is `(outputs, inputs or 1, kernel)`; 1 means depthwise."""
        super().__init__()
        self.groups = len(weight) if weight.shape[1] == 1 else 1
        self.padding, self.stride, self.dilation = padding, stride, dilation
        self.reach = dilation * (weight.shape[2] - 1) + 1
        self.register_buffer(
            "weight", weight[:, :, None].contiguous(memory_format=torch.channels_last)
        )
        self.register_buffer("bias", bias)

    def forward(self, hidden: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, T, C)` with lengths `(B,)` to `(B, T', C')` with lengths."""
        # Depthwise kernels as long as these take half the time where nothing is left to pad.
        padded = F.pad(hidden, (0, 0, *self.padding))
        mixed = F.conv2d(
            padded.transpose(1, 2)[:, :, None],
            self.weight,
            self.bias,
            stride=(1, self.stride),
            dilation=(1, self.dilation),
            groups=self.groups,
        )
        shortened = (lengths + sum(self.padding) - self.reach) // self.stride + 1
        return mixed[:, :, 0].transpose(1, 2), shortened
