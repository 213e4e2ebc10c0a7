"""What a checkpoint says of a `ConvASREncoder`."""

from __future__ import annotations

from dataclasses import dataclass

from models.nemo.section import Section

TARGET = "ConvASREncoder"
ACTIVATIONS = ("relu", "hardtanh", "selu", "swish", "silu", "gelu", "identity")
RESIDUAL_MODES = ("add", "stride_add", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSettings:
    """One block: `repeat` convolutions; `squeeze` is squeeze-excite's reduction, 0 for none."""

    filters: int
    repeat: int
    kernel: int
    stride: int
    dilation: int
    separable: bool
    strides_last: bool
    future_frames: int
    residual: bool
    residual_mode: str
    dense: bool
    squeeze: int

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride of each of the repeated convolutions."""
        before = 1 if self.strides_last else self.stride
        return (*(before for _ in range(self.repeat - 1)), self.stride)

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros before the first frame and after the last."""
        both = self.dilation * (self.kernel - 1) // 2
        if self.future_frames < 0 or self.kernel <= self.future_frames:
            return both, both
        return self.kernel - 1 - self.future_frames, self.future_frames


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionalSettings:
    """What a checkpoint says of its encoder."""

    features: int
    activation: str
    blocks: tuple[BlockSettings, ...]

    @classmethod
    def read(cls, section: Section) -> ConvolutionalSettings:
        """Raises `CheckpointError` for a setting that is not supported."""
        # The others mix frames of the padding, or of nothing at all, into their statistics.
        section.only("normalization_mode", "batch")
        section.only("conv_mask", True)
        section.only("frame_splicing", 1)
        section.only("quantize", False)
        residual_mode = section.one_of("residual_mode", RESIDUAL_MODES, "add")
        blocks = []
        for block in section.sections("jasper"):
            # As in NeMo, a block's mode holds for those after it.
            residual_mode = block.one_of("residual_mode", RESIDUAL_MODES, residual_mode)
            blocks.append(_read_block(block, residual_mode))
        if not blocks:
            raise section.wrong("jasper", "at least one block")
        return cls(
            features=section.integer("feat_in"),
            activation=section.one_of("activation", ACTIVATIONS),
            blocks=tuple(blocks),
        )

    @property
    def width(self) -> int:
        return self.blocks[-1].filters

    @property
    def stride(self) -> int:
        """Feature frames in one emission frame."""
        total = 1
        for block in self.blocks:
            for stride in block.strides:
                total *= stride
        return total


def _read_block(block: Section, residual_mode: str) -> BlockSettings:
    block.only("groups", 1)
    block.only("heads", -1)
    stride, dilation = _one(block, "stride"), _one(block, "dilation")
    future_frames = block.integer("future_context", -1, least=-1)
    if dilation > 1 and (stride > 1 or future_frames >= 0):
        raise block.wrong("dilation", "1 where there is a stride or a future context")
    kernel = max(int(_one(block, "kernel") * block.number("kernel_size_factor", 1.0)), 1)
    return BlockSettings(
        filters=block.integer("filters"),
        repeat=block.integer("repeat"),
        kernel=kernel + (kernel + 1) % 2,
        stride=stride,
        dilation=dilation,
        separable=block.boolean("separable", False),
        strides_last=block.boolean("stride_last", False),
        future_frames=future_frames,
        residual=block.boolean("residual", True),
        residual_mode=residual_mode,
        dense=block.boolean("residual_dense", False),
        squeeze=block.integer("se_reduction_ratio", 8) if block.boolean("se", False) else 0,
    )


def _one(block: Section, name: str) -> int:
    values = block.integers(name)
    if len(values) != 1 or values[0] < 1:
        raise block.wrong(name, "a list of one positive number")
    return values[0]
