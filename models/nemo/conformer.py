"""NeMo's `ConformerEncoder`: Conformer and FastConformer.

Gulati et al. 2020 (arXiv:2005.08100), Rekesh et al. 2023 (arXiv:2305.05084).

Letters: B batch, T frames, C channels.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from models.nemo.conformer_settings import ConformerSettings
from models.nemo.relative_attention import RelativeAttention, relative_positions, visible_keys
from models.nemo.subsampling import Subsampling
from models.nemo.time_convolution import TimeConvolution
from models.nemo.weights import Weights
from models.padding import frame_mask, silence_padding

BATCH_NORM_EPSILON = 1e-5


class FeedForward(nn.Module):
    """Two affine maps of each frame with SiLU between them."""

    def __init__(self, settings: ConformerSettings, weights: Weights) -> None:
        super().__init__()
        self.widen = weights.linear("linear1", settings.width, settings.hidden, settings.bias)
        self.narrow = weights.linear("linear2", settings.hidden, settings.width, settings.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        narrowed: Tensor = self.narrow(F.silu(self.widen(hidden)))
        return narrowed


class Convolution(nn.Module):
    """Gated pointwise, depthwise over time with its norm, pointwise."""

    def __init__(self, settings: ConformerSettings, weights: Weights) -> None:
        super().__init__()
        width = settings.width
        self.gate = weights.pointwise("pointwise_conv1", width, 2 * width, settings.bias)
        kernel = weights.take("depthwise_conv.weight", width, 1, settings.kernel)
        bias = weights.bias("depthwise_conv", width, settings.bias)
        self.norm: nn.Module = nn.Identity()
        if settings.layer_norm:
            self.norm = weights.layer_norm("batch_norm", width)
        else:
            scale, shift = weights.batch_norm("batch_norm", width, BATCH_NORM_EPSILON)
            kernel = kernel * scale[:, None, None]
            bias = shift if bias is None else bias * scale + shift
        self.depthwise = TimeConvolution(kernel, bias, settings.convolution_padding)
        self.pointwise = weights.pointwise("pointwise_conv2", width, width, settings.bias)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        gated = silence_padding(F.glu(self.gate(hidden), dim=-1), lengths)
        mixed, _ = self.depthwise(gated, lengths)
        projected: Tensor = self.pointwise(F.silu(self.norm(mixed)))
        return projected


class Layer(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, norm."""

    def __init__(self, settings: ConformerSettings, weights: Weights) -> None:
        super().__init__()
        width = settings.width
        self.norm_in = weights.layer_norm("norm_feed_forward1", width)
        self.feed_forward_in = FeedForward(settings, weights.under("feed_forward1"))
        self.norm_attention = weights.layer_norm("norm_self_att", width)
        self.attention = RelativeAttention(settings, weights.under("self_attn"))
        self.norm_convolution = weights.layer_norm("norm_conv", width)
        self.convolution = Convolution(settings, weights.under("conv"))
        self.norm_out = weights.layer_norm("norm_feed_forward2", width)
        self.feed_forward_out = FeedForward(settings, weights.under("feed_forward2"))
        self.norm = weights.layer_norm("norm_out", width)

    def forward(
        self, hidden: Tensor, lengths: Tensor, positions: Tensor, visible: Tensor
    ) -> Tensor:
        hidden = hidden + 0.5 * self.feed_forward_in(self.norm_in(hidden))
        hidden = hidden + self.attention(self.norm_attention(hidden), positions, visible)
        hidden = hidden + self.convolution(self.norm_convolution(hidden), lengths)
        hidden = hidden + 0.5 * self.feed_forward_out(self.norm_out(hidden))
        normed: Tensor = self.norm(hidden)
        return normed


class ConformerEncoder(nn.Module):
    """Features `(B, T, D)` with lengths `(B,)` to `(B, T', C)` with lengths."""

    def __init__(self, settings: ConformerSettings, weights: Weights) -> None:
        super().__init__()
        self.settings = settings
        self.subsampling = Subsampling(settings, weights.under("pre_encode"))
        self.layers = nn.ModuleList(
            Layer(settings, weights.under("layers").under(index))
            for index in range(settings.layers)
        )
        self.projection: nn.Module = nn.Identity()
        if settings.width_out != settings.width:
            self.projection = weights.linear("out_proj", settings.width, settings.width_out)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        hidden, lengths = self.subsampling(features, lengths)
        if self.settings.scaled_input:
            hidden = hidden * math.sqrt(self.settings.width)
        frames = hidden.shape[1]
        positions = relative_positions(frames, self.settings.width, hidden.device)
        visible = visible_keys(frames, self.settings, hidden.device)
        visible = visible & frame_mask(lengths, frames)[:, None]
        for layer in self.layers:
            hidden = layer(hidden, lengths, positions, visible)
        return self.projection(hidden), lengths
