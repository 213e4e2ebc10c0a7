"""How a QuartzNet is best laid out on a CPU: `python -m benchmarks.layouts CHECKPOINT.nemo`.

One thread, processor time, the best of some rounds that alternate: what other programs do on the
machine matters little. Prints RTFx of the encoder and the head, without features, of
- `conv1d`: every convolution as PyTorch's `conv1d`, the channels before the frames;
- `padded`: the same, but with the zeros put around the frames beforehand;
- `own`: beamscribe's layout, also padded beforehand, with the channels last;
- `bfloat16`: that with weights and activations in bfloat16, and how many frames of the noise
  that is heard change their most probable token.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from models.nemo.checkpoint import NemoCheckpoint
from models.nemo.convolutional import Block, ConvolutionalEncoder
from models.nemo.ctc import NemoCtc, load_network
from models.nemo.time_convolution import TimeConvolution
from models.nemo.weights import Affine

ITEMS, ITEM_S, ROUNDS = 2, 8, 5


def pointwise(layer: Affine, hidden: Tensor) -> Tensor:
    """`(B, C, T)` to `(B, C', T)`."""
    return F.conv1d(hidden, layer.weight[..., None], layer.bias)


def over_time(layer: TimeConvolution, hidden: Tensor, pads_first: bool) -> Tensor:
    """`(B, C, T)` to `(B, C', T')`; zeros on both sides alike."""
    return F.conv1d(
        F.pad(hidden, layer.padding) if pads_first else hidden,
        layer.weight[:, :, 0].contiguous(),
        layer.bias,
        layer.stride,
        padding=0 if pads_first else layer.padding[0],
        dilation=layer.dilation,
        groups=layer.groups,
    )


def plain_log_probs(network: NemoCtc, features: Tensor, pads_first: bool) -> Tensor:
    """`(B, T, D)` without padding to `(B, T', C)`, in `conv1d` throughout.

    Raises `ValueError` for another encoder than QuartzNet's or plain Jasper's.
    """
    if not isinstance(network.encoder, ConvolutionalEncoder):
        raise ValueError("this compares layouts of convolutional encoders only")
    hidden = features.transpose(1, 2)
    for block in cast("Sequence[Block]", network.encoder.blocks):
        if block.squeeze_excite is not None or block.settings.dense:
            raise ValueError("this compares layouts of QuartzNet and plain Jasper only")
        entered = hidden
        mixing = cast("Sequence[Affine]", block.mixing)
        for index, convolution in enumerate(cast("Sequence[TimeConvolution]", block.depthwise)):
            hidden = over_time(convolution, F.relu(hidden) if index else hidden, pads_first)
            if mixing:
                hidden = pointwise(mixing[index], hidden)
        for residual in cast("Sequence[Affine]", block.residuals):
            hidden = hidden + pointwise(residual, entered)
        hidden = F.relu(hidden)
    return F.log_softmax(network.head(hidden.transpose(1, 2)), dim=-1)


def rates(forwards: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The best RTFx of each, audio seconds a second of the processor."""
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, forward in forwards.items():
            started = time.process_time()
            forward()
            rate = ITEMS * ITEM_S / (time.process_time() - started)
            best[name] = max(rate, best.get(name, 0.0))
    return best


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = load_network(NemoCheckpoint.read(parser.parse_args().checkpoint)).eval()
    rate_hz = network.preprocessor.settings.sample_rate_hz
    noise = [torch.randn(ITEM_S * rate_hz) * 0.1 for _ in range(ITEMS)]
    features = torch.stack([network.preprocessor(waveform) for waveform in noise])
    lengths = torch.full((ITEMS,), features.shape[1])
    half = copy.deepcopy(network).bfloat16()
    forwards: dict[str, Callable[[], Tensor]] = {
        "conv1d": lambda: plain_log_probs(network, features, pads_first=False),
        "padded": lambda: plain_log_probs(network, features, pads_first=True),
        "own": lambda: network(features, lengths)[0],
        "bfloat16": lambda: half(features.bfloat16(), lengths)[0].float(),
    }
    reference = forwards["own"]()
    measured = rates(forwards)
    print(f"{'':<12}{'RTFx':>8}{'tokens that change':>22}")
    for name, forward in forwards.items():
        changed = (forward().argmax(-1) != reference.argmax(-1)).float().mean()
        print(f"{name:<12}{measured[name]:>8.1f}{changed:>21.1%}")


if __name__ == "__main__":
    main()
