"""A loaded acoustic model: waveforms in, emissions or greedy hypotheses out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.card import CtcNetwork, ModelCard
from models.decode.ctc_greedy import ctc_greedy
from models.emformer_rnnt import EmformerRnnt
from models.errors import CheckpointError
from models.hypothesis import Hypothesis
from models.registry import find_model
from models.transducer_recognizer import TransducerRecognizer


@dataclass(frozen=True, slots=True)
class Emission:
    """Natural-log probabilities `(T, C)`, float32, of one waveform: one row a frame."""

    log_probs: NDArray[np.float32]


class Recognizer:
    """One model on one device. Build it with `load_recognizer`."""

    def __init__(self, card: ModelCard, network: CtcNetwork, device: torch.device) -> None:
        self.card = card
        self.vocabulary = card.vocabulary()
        self.network = network
        self.device = device

    def emit(self, waveforms: Sequence[NDArray[np.float32]]) -> list[Emission]:
        """One emission for each waveform `(samples,)` at the card's sample rate, in -1..1.

        A waveform's emission does not depend on the others in the batch; one of fewer than the
        card's `shortest_samples` has no frames.
        """
        log_probs, lengths = self._forward(waveforms)
        rows = log_probs.cpu().numpy()
        return [Emission(row[:length]) for row, length in zip(rows, lengths.tolist(), strict=True)]

    def recognize_greedily(self, waveforms: Sequence[NDArray[np.float32]]) -> list[Hypothesis]:
        """One best-path hypothesis for each waveform, decoded on the model's device."""
        log_probs, lengths = self._forward(waveforms)
        return ctc_greedy(log_probs, lengths, self.vocabulary)

    @torch.inference_mode()
    def _forward(self, waveforms: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
        shortest = self.card.shortest_samples
        silence = np.zeros(shortest, dtype=np.float32)
        log_probs, lengths = self.network.emit(
            [
                torch.from_numpy(waveform if len(waveform) >= shortest else silence).to(self.device)
                for waveform in waveforms
            ]
        )
        heard = torch.tensor([len(waveform) >= shortest for waveform in waveforms])
        return log_probs, lengths * heard.to(lengths.device)


def load_recognizer(name: str, device: str = "cpu") -> Recognizer:
    """Load a named CTC model.

    Raises `CheckpointError` saying what is missing and what to do, also for a transducer.
    """
    model = load_model(name, device)
    if isinstance(model, TransducerRecognizer):
        raise CheckpointError(f"{name} is a transducer, which has no emissions; choose a CTC model")
    return model


def load_transducer(name: str, device: str = "cpu") -> TransducerRecognizer:
    """Load a named transducer. Raises `CheckpointError`, also for a CTC model."""
    model = load_model(name, device)
    if isinstance(model, Recognizer):
        raise CheckpointError(f"{name} is a CTC model; choose a transducer")
    return model


def load_model(name: str, device: str = "cpu") -> Recognizer | TransducerRecognizer:
    """Load a named model of any family. Raises `CheckpointError`."""
    card = find_model(name)
    network = card.acoustics.load()
    network.requires_grad_(False)
    place = torch.device(device)
    if isinstance(network, EmformerRnnt):
        return TransducerRecognizer(card, network.eval().to(place), place)
    return Recognizer(card, network.eval().to(place), place)
