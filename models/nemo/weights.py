"""A checkpoint's tensors, each taken once, in the shape that the configuration says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors whose names begin with `prefix`; what is taken is gone from `tensors`.

    Raises `CheckpointError` for a tensor that is missing or has another shape.
    """

    checkpoint: str
    tensors: dict[str, Tensor] = field(repr=False)
    prefix: str = ""

    def under(self, name: str | int) -> Weights:
        return Weights(self.checkpoint, self.tensors, f"{self.prefix}{name}.")

    def has(self, name: str) -> bool:
        return f"{self.prefix}{name}" in self.tensors

    def take(self, name: str, *shape: int) -> Tensor:
        """The float32 tensor of that name and shape."""
        full = f"{self.prefix}{name}"
        tensor = self.tensors.pop(full, None)
        if tensor is None:
            raise CheckpointError(
                f"{self.checkpoint}: the weights lack {full}, which the configuration asks for"
            )
        if tuple(tensor.shape) != shape:
            raise CheckpointError(
                f"{self.checkpoint}: {full} has shape {tuple(tensor.shape)}, "
                f"but the configuration says {shape}"
            )
        return tensor.float()

    def drop(self, unused: Callable[[str], bool]) -> None:
        """Forget the tensors that `unused` says the network does without."""
        for name in [name for name in self.tensors if unused(name)]:
            del self.tensors[name]

    def finish(self) -> None:
        """Raises `CheckpointError` where tensors are left that no part of the network took."""
        if self.tensors:
            names = sorted(self.tensors)
            raise CheckpointError(
                f"{self.checkpoint}: {len(names)} of the weights belong to no part of the "
                f"configured network: {', '.join(names[:4])}"
            )

    def bias(self, name: str, size: int, present: bool) -> Tensor | None:
        return self.take(f"{name}.bias", size) if present else None

    def linear(self, name: str, inputs: int, outputs: int, bias: bool = True) -> Affine:
        weight = self.take(f"{name}.weight", outputs, inputs)
        return Affine(weight, self.bias(name, outputs, bias))

    def pointwise(self, name: str, inputs: int, outputs: int, bias: bool = True) -> Affine:
        """A convolution of kernel 1 as the affine map of each frame that it is."""
        weight = self.take(f"{name}.weight", outputs, inputs, 1)
        return Affine(weight[..., 0], self.bias(name, outputs, bias))

    def layer_norm(self, name: str, width: int) -> nn.LayerNorm:
        norm = nn.LayerNorm(width)
        norm.weight = nn.Parameter(self.take(f"{name}.weight", width), requires_grad=False)
        norm.bias = nn.Parameter(self.take(f"{name}.bias", width), requires_grad=False)
        return norm

    def batch_norm(self, name: str, width: int, epsilon: float) -> tuple[Tensor, Tensor]:
        """A batch norm of fixed statistics as `(scale, shift)`, both `(width,)`."""
        part = self.under(name)
        weight, bias = part.take("weight", width).double(), part.take("bias", width).double()
        mean = part.take("running_mean", width).double()
        variance = part.take("running_var", width).double()
        scale = weight / torch.sqrt(variance + epsilon)
        return scale.float(), (bias - mean * scale).float()


class Affine(nn.Module):
    """`x @ weight.T + bias` over the last axis."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", bias)

    def scaled(self, scale: Tensor, shift: Tensor) -> Affine:
        """This map followed by `scale * y + shift`, in one."""
        bias = shift if self.bias is None else self.bias * scale + shift
        return Affine(self.weight * scale[:, None], bias)

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.linear(inputs, self.weight, self.bias)
