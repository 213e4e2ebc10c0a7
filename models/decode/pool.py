"""Beam searches in processes of their own: the decoder holds Python's lock while it works."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.decode.ctc_beam import BeamSearchOptions, CtcBeamDecoder
from models.hypothesis import Hypothesis
from models.registry import find_model


@dataclass(frozen=True)
class DecoderRecipe:
    """What a process needs to build its decoder."""

    model: str
    options: BeamSearchOptions

    def load(self) -> CtcBeamDecoder:
        """Raises `CheckpointError` or `VocabularyError` where parts are missing or do not fit."""
        card = find_model(self.model)
        return CtcBeamDecoder.load(
            lexicon_path=card.lexicon_path,
            language_model_path=card.language_model_path,
            vocabulary=card.vocabulary(),
            options=self.options,
        )


class DecoderPool:
    """`workers` processes that decode emissions; each loads its decoder once, at its start."""

    def __init__(self, recipe: DecoderRecipe, workers: int) -> None:
        self._processes = ProcessPoolExecutor(
            max_workers=workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_load_decoder,
            initargs=(recipe,),
        )
        # A submission starts one process where none is idle; all shall load while there is no work.
        for _ in range(workers):
            self._processes.submit(_load_decoder, recipe)

    def submit(self, log_probs: NDArray[np.float32]) -> Future[Hypothesis]:
        """Decode `(T, C)` log-probabilities."""
        return self._processes.submit(_decode, log_probs)

    def close(self) -> None:
        self._processes.shutdown(wait=True, cancel_futures=True)


_decoders: dict[DecoderRecipe, CtcBeamDecoder] = {}


def _load_decoder(recipe: DecoderRecipe) -> None:
    if recipe not in _decoders:
        _decoders[recipe] = recipe.load()


def _decode(log_probs: NDArray[np.float32]) -> Hypothesis:
    (decoder,) = _decoders.values()
    return decoder.decode(log_probs)
