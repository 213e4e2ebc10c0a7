"""Padding that no result can see: batches carry lengths, and every mixing operation is masked.

Letters: B batch, T frames, D features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pad_batch(items: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stack `(T_i, ...)` tensors into zero-padded `(B, max T, ...)` with their lengths `(B,)`.

    Raises `ValueError` for an empty list.
    """
    if not items:
        raise ValueError("a batch needs at least one item")
    lengths = torch.tensor([len(item) for item in items])
    return torch.nn.utils.rnn.pad_sequence(list(items), batch_first=True), lengths


def silence_padding(hidden: Tensor, lengths: Tensor) -> Tensor:
    """Zero the frames of `(B, T, D)` at or past each item's length, in place.

    On a CPU only the padding is touched, which is little where batches are packed by length.
    """
    if hidden.device.type != "cpu":
        return hidden.masked_fill_(~frame_mask(lengths, hidden.shape[1])[..., None], 0.0)
    for row, length in enumerate(lengths.tolist()):
        if length < hidden.shape[1]:
            hidden[row, length:].zero_()
    return hidden


def frame_mask(lengths: Tensor, num_frames: int) -> Tensor:
    """`(B,)` lengths to a `(B, num_frames)` mask, true where a frame is real."""
    return torch.arange(num_frames, device=lengths.device) < lengths[:, None]
