"""Emformer in linear time: every segment of every item at once, or chunk by chunk with its state.

Shi et al., "Emformer: Efficient Memory Transformer Based Acoustic Model for Low Latency Streaming
Speech Recognition" (2021, arXiv:2010.10759). The weights live in torchaudio's modules, whose own
`forward` attends over the whole utterance under a mask, lets the padding of a batch reach its
last segments, and differs from `infer` there. Here a segment's queries see exactly their own
keys: right context, memory, left context, segment. So the cost grows with the length, not its
square, and a chunk continues where the last one ended with the same result.

Letters: B batch, K segments, T frames, D features, H heads; M memories, R right context, L left
context and S segment, all in frames of the encoder; layout `(B, T, D)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchaudio.models import Emformer

HIDDEN = -1e8
"""A score that hides a key, finite so that a query without any key stays a number."""


@dataclass(frozen=True, slots=True)
class LayerState:
    """What one layer remembers: L keys and values `(B, L, D)`, and M memories `(B, M, D)`."""

    keys: Tensor
    values: Tensor
    memories: Tensor


@dataclass(frozen=True, slots=True)
class EncoderState:
    """The layers' memory after `past_frames` whole segments' frames, alike for all items."""

    layers: tuple[LayerState, ...]
    past_frames: int


def initial_state(transformer: Emformer, batch: int, like: Tensor) -> EncoderState:
    """The state before anything was heard, on the device and of the type of `like`."""
    layers = []
    for layer in transformer.emformer_layers:
        context = like.new_zeros(batch, layer.left_context_length, layer.input_dim)
        memories = like.new_zeros(batch, layer.max_memory_size, layer.input_dim)
        layers.append(LayerState(context, context, memories))
    return EncoderState(tuple(layers), 0)


def select_items(state: EncoderState, items: Tensor) -> EncoderState:
    """The state of some of a batch's items, by index."""
    return EncoderState(
        tuple(
            LayerState(layer.keys[items], layer.values[items], layer.memories[items])
            for layer in state.layers
        ),
        state.past_frames,
    )


def run_emformer(
    transformer: Emformer, frames: Tensor, lengths: Tensor, state: EncoderState
) -> tuple[Tensor, EncoderState]:
    """Encode `(B, K * S + R, D)` frames with `(B,)` lengths of at most `K * S`, after `state`.

    `transformer` is torchaudio's `Emformer`. An item's frame at its length and the R - 1 after it
    are its right context at the end: give zeros there where nothing follows. Returns
    `(B, K * S, D)` of which the first `lengths` count, and the state to go on from; that is valid
    for the items that filled all K segments.
    """
    segment, right = transformer.segment_length, transformer.right_context_length
    if frames.shape[1] < segment + right or (frames.shape[1] - right) % segment:
        raise ValueError(
            f"the encoder takes whole segments of {segment} frames and {right} of right context, "
            f"got {frames.shape[1]} frames"
        )
    batch, num_segments = frames.shape[0], (frames.shape[1] - right) // segment
    ends = torch.arange(1, num_segments + 1, device=frames.device) * segment
    starts = torch.minimum(ends, lengths[:, None])
    offsets = torch.arange(right, device=frames.device)
    index = (starts[:, :, None] + offsets).reshape(batch, -1, 1).expand(-1, -1, frames.shape[2])
    right_context = frames.gather(1, index).reshape(batch, num_segments, right, -1)
    segments = frames[:, : num_segments * segment].reshape(batch, num_segments, segment, -1)
    mask = _key_mask(transformer, lengths, num_segments, state.past_frames)
    # Without memory torchaudio's layers hold none; with it, each starts from the segments' means.
    memories = segments.mean(dim=2)
    layers = []
    for layer, layer_state in zip(transformer.emformer_layers, state.layers, strict=True):
        blocks = torch.cat([right_context, segments], dim=2)
        blocks, memories, layer_state = _run_layer(layer, blocks, memories, mask, layer_state)
        right_context, segments = blocks[:, :, :right], blocks[:, :, right:]
        layers.append(layer_state)
    output = segments.reshape(batch, num_segments * segment, -1)
    return output, EncoderState(tuple(layers), state.past_frames + num_segments * segment)


def _key_mask(transformer: Emformer, lengths: Tensor, num_segments: int, past: int) -> Tensor:
    """`(B, K, M + R + L + S)`, true where a segment's queries may look."""
    segment, left = transformer.segment_length, transformer.left_context_length
    device = lengths.device
    starts = torch.arange(num_segments, device=device) * segment
    place = starts[:, None] + torch.arange(-left, segment, device=device)
    seen = (place >= -past) & (place < lengths[:, None, None])
    memory_place = starts[:, None] // segment + torch.arange(
        -transformer.max_memory_size, 0, device=device
    )
    remembered = (memory_place >= -(past // segment)).expand(len(lengths), -1, -1)
    right = seen.new_ones(len(lengths), num_segments, transformer.right_context_length)
    return torch.cat([remembered, right, seen], dim=2)


def _run_layer(
    layer: Any, blocks: Tensor, memories: Tensor, mask: Tensor, state: LayerState
) -> tuple[Tensor, Tensor, LayerState]:
    """One layer over `(B, K, R + S, D)` blocks and `(B, K, D)` memories of the layer below."""
    attention, segment = layer.attention, layer.segment_length
    right = blocks.shape[2] - segment
    normed = layer.layer_norm_input(blocks)
    keys, values = attention.emb_to_key_value(normed).chunk(2, dim=3)
    left_keys, next_keys = _with_left_context(keys[:, :, right:], state.keys)
    left_values, next_values = _with_left_context(values[:, :, right:], state.values)
    key_parts, value_parts = [keys[:, :, :right], left_keys], [values[:, :, :right], left_values]
    next_memories = state.memories
    if layer.use_mem:
        past, next_memories = _past_memories(memories, state.memories)
        memory_keys, memory_values = attention.emb_to_key_value(past).chunk(2, dim=3)
        key_parts, value_parts = [memory_keys, *key_parts], [memory_values, *value_parts]

    queries = normed
    query_mask = mask[:, :, None, :].expand(-1, -1, blocks.shape[2], -1)
    if layer.use_mem:
        # The summary of a segment looks at its right context, left context and frames only.
        summary = normed[:, :, right:].mean(dim=2, keepdim=True)
        queries = torch.cat([normed, summary], dim=2)
        unremembering = mask.clone()
        unremembering[:, :, : layer.max_memory_size] = False
        query_mask = torch.cat([query_mask, unremembering[:, :, None, :]], dim=2)
    # Plain products over the parts: PyTorch's fused attention takes longer for so few queries and
    # keys a segment, and putting the parts together would copy every key once more.
    heads = attention.num_heads
    asked = _heads(attention.emb_to_query(queries) * attention.scaling, heads)
    scores = torch.cat([asked @ _heads(part, heads).transpose(3, 4) for part in key_parts], dim=4)
    shares = torch.softmax(scores.masked_fill(~query_mask[:, :, None], HIDDEN), dim=4)
    sizes = [part.shape[2] for part in value_parts]
    attended = torch.stack(
        [
            share @ _heads(part, heads)
            for share, part in zip(torch.split(shares, sizes, dim=4), value_parts, strict=True)
        ]
    ).sum(dim=0)
    attended = attention.out_proj(attended.transpose(2, 3).flatten(3))
    if layer.use_mem:
        summaries = attended[:, :, -1]
        memories = torch.tanh(summaries) if attention.tanh_on_mem else summaries.clamp(-10, 10)

    result = layer.dropout(attended[:, :, : blocks.shape[2]]) + blocks
    result = layer.layer_norm_output(layer.pos_ff(result) + result)
    return result, memories, LayerState(next_keys, next_values, next_memories)


def _heads(blocks: Tensor, heads: int) -> Tensor:
    """`(B, K, T, D)` to `(B, K, H, T, D / H)`."""
    return blocks.reshape(*blocks.shape[:3], heads, -1).transpose(2, 3)


def _with_left_context(segments: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    """`(B, K, S, D)` and the L frames before them to `(B, K, L + S, D)` and the last L frames."""
    segment, left = segments.shape[2], past.shape[1]
    line = torch.cat([past, segments.flatten(1, 2)], dim=1)
    return line.unfold(1, left + segment, segment).transpose(2, 3), line[:, line.shape[1] - left :]


def _past_memories(memories: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    """`(B, K, D)` and the M before them to `(B, K, M, D)`, M before each, and the last M."""
    count = past.shape[1]
    line = torch.cat([past, memories], dim=1)
    return line[:, :-1].unfold(1, count, 1).transpose(2, 3), line[:, line.shape[1] - count :]
