"""A small Conformer that hears English phonemes and word boundaries, trained with CTC.

Four Conformer blocks (Gulati et al. 2020, arXiv:2005.08100) without position encoding over a
convolution that halves the frame rate. The architecture is that of the acoustic model in the
`hama` 1.7.0 package (Apache-2.0), whose weights `weights/convert_hama.py` reads.

Letters: B batch, T frames, D features, C classes; layout `(B, T, ·)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from models.features import LogMel
from models.padding import frame_mask, pad_batch


@dataclass(frozen=True)
class PhonemeCtcShape:
    """The sizes that the weights fix."""

    sample_rate_hz: int = 16_000
    num_fft: int = 400
    hop_samples: int = 160
    num_filters: int = 80
    width: int = 144
    hidden: int = 576
    heads: int = 4
    kernel: int = 31
    blocks: int = 4
    classes: int = 191

    @property
    def frame_samples(self) -> int:
        """Samples from one emission frame to the next."""
        return 2 * self.hop_samples


class FeedForward(nn.Sequential):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, width)
        )


class SelfAttention(nn.Module):
    """Multi-head attention over the real frames of each item."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.projection_in = nn.Linear(width, 3 * width)
        self.projection_out = nn.Linear(width, width)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        batch, frames, width = hidden.shape
        query, key, value = (
            self.projection_in(self.norm(hidden))
            .view(batch, frames, 3, self.heads, width // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        projected: Tensor = self.projection_out(mixed.transpose(1, 2).flatten(2))
        return projected


class Convolution(nn.Module):
    """Gated pointwise, depthwise over time, pointwise. Padding enters the depthwise as zeros."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.pointwise = nn.Linear(width, width)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        gated = F.glu(self.gate(self.norm(hidden)), dim=-1) * mask[..., None]
        mixed = self.depthwise(gated.transpose(1, 2)).transpose(1, 2)
        projected: Tensor = self.pointwise(F.silu(mixed))
        return projected


class ConformerBlock(nn.Module):
    def __init__(self, shape: PhonemeCtcShape) -> None:
        super().__init__()
        self.feed_forward_in = FeedForward(shape.width, shape.hidden)
        self.attention = SelfAttention(shape.width, shape.heads)
        self.convolution = Convolution(shape.width, shape.kernel)
        self.feed_forward_out = FeedForward(shape.width, shape.hidden)
        self.norm = nn.LayerNorm(shape.width)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        hidden = hidden + 0.5 * self.feed_forward_in(hidden)
        hidden = hidden + self.attention(hidden, mask)
        hidden = hidden + self.convolution(hidden, mask)
        hidden = hidden + 0.5 * self.feed_forward_out(hidden)
        normed: Tensor = self.norm(hidden)
        return normed


class PhonemeCtc(nn.Module):
    """Waveforms at 16 kHz to log-probabilities of phonemes, word boundary and blank."""

    def __init__(self, shape: PhonemeCtcShape | None = None) -> None:
        super().__init__()
        self.shape = shape or PhonemeCtcShape()
        self.features = LogMel(
            self.shape.num_fft, self.shape.hop_samples, self.shape.num_filters, floor=1e-10
        )
        self.stem = nn.Conv1d(
            self.shape.num_filters, self.shape.width, kernel_size=3, stride=2, padding=1
        )
        self.blocks = nn.ModuleList(ConformerBlock(self.shape) for _ in range(self.shape.blocks))
        self.projection = nn.Linear(self.shape.width, self.shape.classes)

    @staticmethod
    def emission_lengths(feature_lengths: Tensor) -> Tensor:
        """Feature frames `(B,)` to emission frames `(B,)`: the stem's stride of two, rounded up."""
        return (feature_lengths + 1) // 2

    def forward(self, features: Tensor, feature_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, T, D)` log-mel features to log-probabilities `(B, T', C)` and lengths `(B,)`.

        What the padding of `features` holds does not reach the real frames of the result.
        """
        features = features * frame_mask(feature_lengths, features.shape[1])[..., None]
        hidden = F.gelu(self.stem(features.transpose(1, 2))).transpose(1, 2)
        lengths = self.emission_lengths(feature_lengths)
        mask = frame_mask(lengths, hidden.shape[1])
        for block in self.blocks:
            hidden = block(hidden, mask)
        return F.log_softmax(self.projection(hidden), dim=-1), lengths

    def emit(self, waveforms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Waveforms `(samples_i,)` to log-probabilities `(B, T', C)` and lengths `(B,)`."""
        features, lengths = pad_batch([self.features(waveform) for waveform in waveforms])
        log_probs, emission_lengths = self(features, lengths.to(features.device))
        return log_probs, emission_lengths
