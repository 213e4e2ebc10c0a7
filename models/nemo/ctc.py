"""A NeMo checkpoint as one network: features, encoder, CTC head.

Letters: B batch, T frames, D features, C classes; layout `(B, T, ·)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from models.nemo.archive import NemoArchive
from models.nemo.checkpoint import NemoCheckpoint
from models.nemo.conformer import ConformerEncoder
from models.nemo.convolutional import ConvolutionalEncoder
from models.nemo.convolutional_settings import ConvolutionalSettings
from models.nemo.preprocessor import MelPreprocessor
from models.nemo.weights import Affine, Weights
from models.padding import pad_batch

# Counters of training, and modules that only training or another head needs.
_UNUSED = re.compile(
    r".*\.num_batches_tracked|(preprocessor|spec_augmentation|spec_augment|loss|ctc_loss|_?wer)\..*"
    r"|encoder\.pos_enc\..*"
)
_UNUSED_IN_HYBRID = re.compile(r"(decoder|joint)\..*")


class NemoCtc(nn.Module):
    """Waveforms to log-probabilities of the checkpoint's tokens and blank."""

    def __init__(
        self,
        preprocessor: MelPreprocessor,
        encoder: ConvolutionalEncoder | ConformerEncoder,
        head: Affine,
    ) -> None:
        super().__init__()
        self.preprocessor = preprocessor
        self.encoder = encoder
        self.head = head

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, T, D)` features with lengths `(B,)` to log-probabilities `(B, T', C)` and lengths.

        What the padding of `features` holds does not reach the real frames of the result.
        """
        hidden, lengths = self.encoder(features, lengths)
        return F.log_softmax(self.head(hidden), dim=-1), lengths

    def emit(self, waveforms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Waveforms `(samples_i,)` to log-probabilities `(B, T', C)` and lengths `(B,)`."""
        features, lengths = pad_batch([self.preprocessor(waveform) for waveform in waveforms])
        log_probs, emission_lengths = self(features, lengths.to(features.device))
        return log_probs, emission_lengths


def load_network(checkpoint: NemoCheckpoint) -> NemoCtc:
    """The network with its weights. Raises `CheckpointError` where they do not fit."""
    weights = Weights(str(checkpoint.path), NemoArchive(checkpoint.path).weights())
    featurizer = weights.under("preprocessor").under("featurizer")
    preprocessor = MelPreprocessor(checkpoint.mel, featurizer)
    parts, settings = weights.under("encoder"), checkpoint.encoder
    encoder: ConvolutionalEncoder | ConformerEncoder
    if isinstance(settings, ConvolutionalSettings):
        encoder, width = ConvolutionalEncoder(settings, parts), settings.width
    else:
        encoder, width = ConformerEncoder(settings, parts), settings.width_out
    head = weights.under("ctc_decoder" if checkpoint.hybrid else "decoder").pointwise(
        "decoder_layers.0", width, len(checkpoint.vocabulary)
    )
    weights.drop(lambda name: _UNUSED.fullmatch(name) is not None)
    if checkpoint.hybrid:
        weights.drop(lambda name: _UNUSED_IN_HYBRID.fullmatch(name) is not None)
    weights.finish()
    return NemoCtc(preprocessor, encoder, head)


def count_parameters(checkpoint: NemoCheckpoint) -> int:
    """How many numbers of the network were trained, by their shapes alone."""
    tensors = NemoArchive(checkpoint.path).weights(values=False)
    return sum(
        tensor.numel()
        for name, tensor in tensors.items()
        if not _UNUSED.fullmatch(name)
        and not (checkpoint.hybrid and _UNUSED_IN_HYBRID.fullmatch(name))
        and not name.endswith((".running_mean", ".running_var"))
    )
