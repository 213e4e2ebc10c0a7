"""What is supported is read; what is not is named, with what is."""

from pathlib import Path
from typing import Any

import pytest

from models.errors import CheckpointError
from models.nemo.checkpoint import NemoCheckpoint
from models.nemo.conformer_settings import ConformerSettings
from models.nemo.convolutional_settings import ConvolutionalSettings
from tests.models.nemo.checkpoints import FOLDER, reconfigured


@pytest.mark.parametrize(
    ("name", "architecture", "frame_samples", "classes", "hybrid"),
    [
        ("quartznet", "ConvASREncoder", 320, 29, False),
        ("citrinet", "ConvASREncoder", 640, 41, False),
        ("conformer", "ConformerEncoder", 640, 41, False),
        ("fastconformer", "ConformerEncoder", 1_280, 41, False),
        ("hybrid", "ConformerEncoder", 640, 41, True),
    ],
)
def test_what_a_checkpoint_says(
    name: str, architecture: str, frame_samples: int, classes: int, hybrid: bool
) -> None:
    checkpoint = NemoCheckpoint.read(FOLDER / f"{name}.nemo")
    assert checkpoint.architecture == architecture
    assert checkpoint.frame_samples == frame_samples
    assert len(checkpoint.vocabulary) == classes
    assert checkpoint.vocabulary.blank == classes - 1
    assert checkpoint.hybrid is hybrid
    assert checkpoint.mel.sample_rate_hz == 16_000


UNSUPPORTED: list[tuple[str, str, Any, str]] = [
    ("conformer", "target", "a.EncDecRNNTBPEModel", r"target is .*EncDecRNNT.*EncDecCTCModelBPE"),
    ("conformer", "encoder._target_", "x.SqueezeformerEncoder", "ConvASREncoder, ConformerEnc"),
    ("conformer", "decoder._target_", "x.RNNTDecoder", "decoder._target_ .*ConvASRDecoder"),
    ("conformer", "preprocessor._target_", "x.AudioToMFCCPreprocessor", "MelSpectrogram"),
    ("conformer", "preprocessor.normalize", {"fixed_mean": [0]}, "per_feature"),
    ("conformer", "preprocessor.exact_pad", True, "exact_pad is True; supported: False"),
    ("conformer", "preprocessor.frame_splicing", 3, "frame_splicing"),
    ("conformer", "preprocessor.window", "kaiser", "hann or hamming"),
    ("conformer", "preprocessor.mel_norm", "htk", "slaney"),
    ("conformer", "encoder.subsampling", "vggnet", "striding or dw_striding"),
    ("conformer", "encoder.subsampling_factor", 3, "2, 4, 8 or 16"),
    ("conformer", "encoder.self_attention_model", "abs_pos", "rel_pos or rel_pos_local_attn"),
    ("conformer", "encoder.att_context_style", "chunked_limited_with_rc", "chunked_limited"),
    ("conformer", "encoder.conv_norm_type", "group_norm8", "batch_norm or layer_norm"),
    ("conformer", "encoder.conv_context_size", [1, 1], "a sum of 4"),
    ("conformer", "encoder.conv_kernel_size", 4, "an odd number"),
    ("conformer", "encoder.reduction", "pooling", "reduction is 'pooling'"),
    ("conformer", "encoder.n_heads", 3, "a divisor of d_model, 16"),
    ("conformer", "encoder.d_model", "wide", "a whole number of at least 1"),
    ("conformer", "encoder.att_context_size", [1], "two whole numbers"),
    ("conformer", "encoder.use_bias", "yes", "true or false"),
    ("local", "encoder.att_context_size", [4, 2], "two equal positive numbers"),
    ("local", "encoder.global_tokens", 1, "global_tokens"),
    ("conformer", "tokenizer.type", "agg", "bpe or wpe"),
    ("conformer", "encoder", None, "encoder is None; supported: a mapping"),
    ("quartznet", "encoder.conv_mask", False, "conv_mask is False; supported: True"),
    ("quartznet", "encoder.normalization_mode", "instance", "'batch'"),
    ("quartznet", "encoder.activation", "mish", "relu"),
    ("quartznet", "encoder.jasper", [], "at least one block"),
    ("quartznet", "encoder.jasper.1.groups", 2, r"jasper\[1\].groups is 2; supported: 1"),
    ("quartznet", "encoder.jasper.1.heads", 4, "heads"),
    ("quartznet", "encoder.jasper.1.kernel", [3, 5], "a list of one positive number"),
    ("quartznet", "encoder.jasper.0.dilation", [2], "1 where there is a stride"),
    ("quartznet", "labels", ["a", "b"], "no space"),
    ("quartznet", "labels", [" ", "a", "a"], "stands twice|num_classes"),
    ("quartznet", "decoder.num_classes", 40, "28 tokens, but decoder.num_classes is 40"),
]


@pytest.mark.parametrize(("name", "place", "value", "message"), UNSUPPORTED)
def test_what_is_not_supported_is_named(
    tmp_path: Path, name: str, place: str, value: Any, message: str
) -> None:
    path = reconfigured(tmp_path / "odd.nemo", name, {place: value})
    with pytest.raises(CheckpointError, match=message) as caught:
        NemoCheckpoint.read(path)
    assert "odd.nemo" in str(caught.value)


def test_references_within_a_configuration(tmp_path: Path) -> None:
    path = reconfigured(
        tmp_path / "m.nemo",
        "conformer",
        {
            "heads": 4,
            "encoder.feat_in": "${preprocessor.features}",
            "encoder.n_heads": "${model.heads}",
        },
    )
    encoder = NemoCheckpoint.read(path).encoder
    assert isinstance(encoder, ConformerSettings)
    assert (encoder.features, encoder.heads) == (16, 4)


def test_a_dangling_reference(tmp_path: Path) -> None:
    path = reconfigured(tmp_path / "m.nemo", "conformer", {"encoder.feat_in": "${no.where}"})
    with pytest.raises(CheckpointError, match="feat_in"):
        NemoCheckpoint.read(path)


def test_a_blocks_residual_mode_holds_for_those_after_it() -> None:
    encoder = NemoCheckpoint.read(FOLDER / "citrinet.nemo").encoder
    assert isinstance(encoder, ConvolutionalSettings)
    modes = [block.residual_mode for block in encoder.blocks]
    assert modes == ["add", "stride_add", "stride_add", "stride_add"]


def test_word_pieces(tmp_path: Path) -> None:
    pieces = ["[UNK]", "the", "##re", *(f"w{index}" for index in range(37))]
    path = reconfigured(
        tmp_path / "m.nemo",
        "conformer",
        {"tokenizer": {"type": "wpe", "vocab_path": "nemo:abc_vocab.txt"}},
        {"abc_vocab.txt": "\n".join(pieces).encode()},
    )
    vocabulary = NemoCheckpoint.read(path).vocabulary
    assert vocabulary.tokens[:3] == ("⁇", "the", "##re")
    assert [vocabulary.starts_word(index) for index in (1, 2, 3)] == [True, False, True]
    assert [vocabulary.text(index) for index in (1, 2)] == ["the", "re"]


def test_sentence_pieces() -> None:
    vocabulary = NemoCheckpoint.read(FOLDER / "conformer.nemo").vocabulary
    assert vocabulary.tokens[0] == "⁇"
    index = vocabulary.index("▁the")
    assert vocabulary.starts_word(index) and vocabulary.text(index) == "the"
    assert vocabulary.word_boundary is None


@pytest.mark.parametrize(
    ("tokenizer", "content", "message"),
    [
        ({"type": "bpe", "model_path": "nemo:t"}, b"junk", "no SentencePiece model"),
        ({"type": "bpe", "model_path": "nemo:u"}, b"", "no member u"),
        ({"type": "wpe", "vocab_path": "t"}, b"\xff\xfe", "not UTF-8"),
        ({"type": "bpe"}, b"", "model_path is None"),
        (
            {"type": "bpe", "model_path": "t", "custom_tokenizer": {"_target_": "x"}},
            b"",
            "custom_tokenizer",
        ),
    ],
)
def test_a_tokenizer_that_cannot_be_read(
    tmp_path: Path, tokenizer: dict[str, Any], content: bytes, message: str
) -> None:
    path = reconfigured(tmp_path / "m.nemo", "conformer", {"tokenizer": tokenizer}, {"t": content})
    with pytest.raises(CheckpointError, match=message):
        NemoCheckpoint.read(path)
