"""A loaded transducer: waveforms in, hypotheses out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.card import ModelCard
from models.decode.fusion import Fusion, NoFusion
from models.decode.rnnt_beam import begin_beams, finish_beams, rnnt_beam
from models.decode.rnnt_greedy import rnnt_greedy
from models.decode.transducer import read_words
from models.decode.transducer_options import TransducerBeamOptions
from models.emformer_rnnt import EmformerRnnt
from models.hypothesis import Hypothesis

NO_WORDS = Hypothesis((), (), 0.0)


class TransducerRecognizer:
    """One transducer on one device. Build it with `load_recognizer`.

    Waveforms are `(samples,)` at the card's sample rate, in -1..1. What is found in one does not
    depend on the others of its batch; one of fewer than the card's `shortest_samples` says nothing.
    """

    def __init__(self, card: ModelCard, network: EmformerRnnt, device: torch.device) -> None:
        self.card = card
        self.vocabulary = card.vocabulary()
        self.network = network
        self.device = device

    @torch.inference_mode()
    def recognize_greedily(self, waveforms: Sequence[NDArray[np.float32]]) -> list[Hypothesis]:
        """One best-path hypothesis for each waveform."""
        heard = self._heard(waveforms)
        if not heard:
            return [NO_WORDS] * len(waveforms)
        encoded, lengths = self._encode([waveforms[index] for index in heard])
        start = self.network.begin(len(heard))
        paths, _ = rnnt_greedy(self.network, encoded, lengths, self.vocabulary.blank, start)
        found = [NO_WORDS] * len(waveforms)
        for index, path in zip(heard, paths, strict=True):
            found[index] = read_words(path, self.vocabulary)
        return found

    @torch.inference_mode()
    def recognize_nbest(
        self,
        waveforms: Sequence[NDArray[np.float32]],
        num_best: int,
        *,
        options: TransducerBeamOptions | None = None,
        fusion: Fusion | None = None,
    ) -> list[list[Hypothesis]]:
        """Up to `num_best` hypotheses for each waveform, best first, by beam search."""
        heard = self._heard(waveforms)
        if not heard:
            return [[NO_WORDS]] * len(waveforms)
        encoded, lengths = self._encode([waveforms[index] for index in heard])
        weigh = fusion or NoFusion()
        beams = rnnt_beam(
            self.network,
            encoded,
            lengths,
            self.vocabulary.blank,
            begin_beams(self.network.begin(len(heard)), weigh),
            options or TransducerBeamOptions(),
            fusion=weigh,
        )
        found = [[NO_WORDS]] * len(waveforms)
        for index, paths in zip(heard, finish_beams(beams, weigh, num_best), strict=True):
            found[index] = [read_words(path, self.vocabulary) for path in paths]
        return found

    def recognize(
        self,
        waveforms: Sequence[NDArray[np.float32]],
        *,
        options: TransducerBeamOptions | None = None,
        fusion: Fusion | None = None,
    ) -> list[Hypothesis]:
        """The best hypothesis of a beam search for each waveform."""
        ranked = self.recognize_nbest(waveforms, 1, options=options, fusion=fusion)
        return [best for best, *_ in ranked]

    def _heard(self, waveforms: Sequence[NDArray[np.float32]]) -> list[int]:
        shortest = self.card.shortest_samples
        return [index for index, waveform in enumerate(waveforms) if len(waveform) >= shortest]

    def _encode(self, waveforms: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
        return self.network.encode_waveforms(
            [torch.from_numpy(waveform).to(self.device) for waveform in waveforms]
        )
