"""Self-attention that knows how far apart two frames are, over all frames or near ones.

Dai et al. 2019, "Transformer-XL" (arXiv:1901.02860), section 3.3 and appendix B. Local attention
is the same attention with far keys hidden; over windows of at most half a minute the whole
matrix is small.

Letters: B batch, H heads, T frames, C channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.nemo.conformer_settings import ConformerSettings
from models.nemo.weights import Weights

WAVELENGTHS = 10_000.0
HIDDEN_SCORE = -1e4
"""Its exponential is 0 beside any real score; minus infinity makes NaN of padding's own rows."""


def relative_positions(frames: int, width: int, device: torch.device) -> Tensor:
    """Sines and cosines `(2T - 1, C)` of the distances `T - 1` down to `1 - T`."""
    distances = torch.arange(frames - 1, -frames, -1, dtype=torch.float32, device=device)
    exponents = torch.arange(0, width, 2, dtype=torch.float32, device=device)
    angles = distances[:, None] * torch.exp(exponents * -(math.log(WAVELENGTHS) / width))
    return torch.stack((torch.sin(angles), torch.cos(angles)), dim=-1).flatten(1)


def visible_keys(frames: int, settings: ConformerSettings, device: torch.device) -> Tensor:
    """`(T, T)`, true where the frame of the row may see that of the column."""
    left, right = settings.context
    places = torch.arange(frames, device=device)
    if settings.chunked and right >= 0:
        chunks = places // (right + 1)
        behind = chunks[:, None] - chunks
        visible = behind >= 0
        return visible & (behind <= left // (right + 1)) if left >= 0 else visible
    behind = places[:, None] - places
    visible = torch.ones_like(behind, dtype=torch.bool)
    if left >= 0:
        visible = visible & (behind <= left)
    if right >= 0 and not settings.chunked:
        visible = visible & (behind >= -right)
    return visible


class RelativeAttention(nn.Module):
    """Multi-head attention by content plus distance, with a bias for each."""

    content_bias: Tensor
    position_bias: Tensor

    def __init__(self, settings: ConformerSettings, weights: Weights) -> None:
        super().__init__()
        width, bias = settings.width, settings.bias
        self.heads = settings.heads
        self.query = weights.linear("linear_q", width, width, bias)
        self.key = weights.linear("linear_k", width, width, bias)
        self.value = weights.linear("linear_v", width, width, bias)
        self.out = weights.linear("linear_out", width, width, bias)
        self.position = weights.linear("linear_pos", width, width, bias=False)
        shape = (settings.heads, width // settings.heads)
        self.register_buffer("content_bias", weights.take("pos_bias_u", *shape))
        self.register_buffer("position_bias", weights.take("pos_bias_v", *shape))

    def forward(self, hidden: Tensor, positions: Tensor, visible: Tensor) -> Tensor:
        """`(B, T, C)`, `(2T - 1, C)` and `(B, T, T)` to `(B, T, C)`."""
        query = self._split(self.query(hidden))
        key = self._split(self.key(hidden))
        value = self._split(self.value(hidden))
        position = self._split(self.position(positions)[None])
        by_distance = (query + self.position_bias[:, None]) @ position.transpose(-2, -1)
        scores = _at_keys(by_distance) / math.sqrt(query.shape[-1])
        mixed = F.scaled_dot_product_attention(
            query + self.content_bias[:, None],
            key,
            value,
            attn_mask=scores.masked_fill(~visible[:, None], HIDDEN_SCORE),
        )
        projected: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return projected

    def _split(self, hidden: Tensor) -> Tensor:
        batch, frames, width = hidden.shape
        return hidden.view(batch, frames, self.heads, width // self.heads).transpose(1, 2)


def _at_keys(by_distance: Tensor) -> Tensor:
    """Scores `(B, H, T, 2T - 1)` by distance to scores `(B, H, T, T)` by key.

    Row t needs the distances t to t - T + 1, a window that moves by one a row: padding each row by
    one and reading it in rows of T shifts it so.
    """
    batch, heads, frames, distances = by_distance.shape
    padded = F.pad(by_distance, (1, 0)).view(batch, heads, distances + 1, frames)
    return padded[:, :, 1:].reshape(batch, heads, frames, distances)[..., :frames]
