"""What a checkpoint says of a `ConformerEncoder`."""

from __future__ import annotations

from dataclasses import dataclass

from models.nemo.section import Section

TARGET = "ConformerEncoder"
SUBSAMPLINGS = ("striding", "dw_striding")
ATTENTIONS = ("rel_pos", "rel_pos_local_attn")
STYLES = ("regular", "chunked_limited")
NORMS = ("batch_norm", "layer_norm")
UNLIMITED = (-1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformerSettings:
    """How a Conformer or FastConformer is built.

    `context` are the frames that attention sees to the left and right, -1 for all; with `chunked`
    they are cut into chunks of `right + 1` frames that see themselves and the chunks before them.
    `convolution_padding` are the zeros before and after a convolution module's input.
    """

    features: int
    layers: int
    width: int
    width_out: int
    hidden: int
    heads: int
    separable_subsampling: bool
    subsampling_factor: int
    subsampling_channels: int
    causal_subsampling: bool
    scaled_input: bool
    context: tuple[int, int]
    chunked: bool
    kernel: int
    convolution_padding: tuple[int, int]
    layer_norm: bool
    bias: bool

    @property
    def stride(self) -> int:
        """Feature frames in one emission frame."""
        return self.subsampling_factor

    @classmethod
    def read(cls, section: Section) -> ConformerSettings:
        """Raises `CheckpointError` for a setting that is not supported."""
        section.only("reduction")
        section.only("conv_context_style", "regular")
        section.only("global_tokens", 0)
        width, kernel = section.integer("d_model"), section.integer("conv_kernel_size", 31)
        if kernel % 2 == 0:
            raise section.wrong("conv_kernel_size", "an odd number")
        heads = section.integer("n_heads", 4)
        if width % heads:
            raise section.wrong("n_heads", f"a divisor of d_model, {width}")
        factor = section.integer("subsampling_factor", 4)
        if factor not in (2, 4, 8, 16):
            raise section.wrong("subsampling_factor", "2, 4, 8 or 16")
        local = section.one_of("self_attention_model", ATTENTIONS, "rel_pos") == ATTENTIONS[1]
        width_out = section.integer("feat_out", -1, least=-1)
        channels = section.integer("subsampling_conv_channels", -1, least=-1)
        return cls(
            features=section.integer("feat_in"),
            layers=section.integer("n_layers"),
            width=width,
            width_out=width_out if width_out > 0 else width,
            hidden=width * section.integer("ff_expansion_factor", 4),
            heads=heads,
            separable_subsampling=section.one_of("subsampling", SUBSAMPLINGS, "striding")
            == "dw_striding",
            subsampling_factor=factor,
            subsampling_channels=channels if channels > 0 else width,
            causal_subsampling=section.boolean("causal_downsampling", False),
            scaled_input=section.boolean("xscaling", True),
            context=_context(section, local),
            chunked=section.one_of("att_context_style", STYLES, "regular") == "chunked_limited",
            kernel=kernel,
            convolution_padding=_convolution_padding(section, kernel),
            layer_norm=section.one_of("conv_norm_type", NORMS, "batch_norm") == "layer_norm",
            bias=section.boolean("use_bias", True),
        )


def _context(section: Section, local: bool) -> tuple[int, int]:
    """The first of the contexts that a model was trained with is the one of evaluation."""
    contexts = section.values.get("att_context_size")
    if isinstance(contexts, list) and contexts and isinstance(contexts[0], list):
        contexts = contexts[0]
    if not contexts:
        contexts = list(UNLIMITED)
    if (
        not isinstance(contexts, list)
        or len(contexts) != 2
        or not all(type(frames) is int and frames >= -1 for frames in contexts)
    ):
        raise section.wrong("att_context_size", "two whole numbers of at least -1")
    left, right = contexts
    # NeMo adds positions to the wrong keys where the sides of local attention differ.
    if local and (left != right or left <= 0):
        raise section.wrong("att_context_size", "two equal positive numbers for local attention")
    return left, right


def _convolution_padding(section: Section, kernel: int) -> tuple[int, int]:
    value = section.values.get("conv_context_size")
    if value is None:
        return kernel // 2, kernel // 2
    if value == "causal":
        return kernel - 1, 0
    if (
        isinstance(value, list)
        and len(value) == 2
        and all(type(frames) is int and frames >= 0 for frames in value)
        and sum(value) + 1 == kernel
    ):
        return value[0], value[1]
    raise section.wrong("conv_context_size", f"'causal', or two numbers with a sum of {kernel - 1}")
