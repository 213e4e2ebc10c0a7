"""Beam searches in processes of their own: the decoder holds Python's lock while it works."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pebble import ProcessExpired, ProcessPool

from models.decode.ctc_beam import BeamSearchOptions, CtcBeamDecoder
from models.decode.ctc_open import CtcOpenDecoder
from models.decode.word_scores import OpenSearchOptions
from models.errors import DecodingError
from models.hypothesis import Hypothesis
from models.lexicon import load_lexicon, load_words, spell_words
from models.registry import find_model

DEADLINE_S = 300.0
"""What one search may take, many times what the longest emission does."""


class Decoder(Protocol):
    """What reads emissions; one instance serves one thread at a time."""

    def decode(self, log_probs: NDArray[np.float32]) -> Hypothesis:
        """The best reading of one emission `(T, C)` of natural-log probabilities."""


@dataclass(frozen=True)
class DecoderRecipe:
    """What a process needs to build its decoder; the kind of options is the kind of search."""

    model: str
    options: BeamSearchOptions | OpenSearchOptions

    def load(self) -> Decoder:
        """Raises `CheckpointError` or `VocabularyError` where parts are missing or do not fit."""
        card = find_model(self.model)
        files, vocabulary = card.language_files(), card.vocabulary()
        if isinstance(self.options, OpenSearchOptions):
            words = load_words(files.lexicon)
            return CtcOpenDecoder(words, files.language_model, vocabulary, self.options)
        if card.spells_words:
            lexicon = spell_words(load_words(files.lexicon), vocabulary)
        else:
            lexicon = load_lexicon(files.lexicon, vocabulary)
        return CtcBeamDecoder(lexicon, files.language_model, vocabulary, self.options)


class Decoding:
    """A search under way."""

    def __init__(self, future: Future[Hypothesis]) -> None:
        self._future = future

    def done(self) -> bool:
        return self._future.done()

    def result(self) -> Hypothesis:
        """Raises `DecodingError` where the search crashed its process or was given up."""
        try:
            return self._future.result()
        except ProcessExpired as error:
            raise DecodingError(f"the decoder's process died ({error})") from error
        except TimeoutError as error:
            raise DecodingError(f"the decoder found nothing within {DEADLINE_S:g} s") from error


class DecoderPool:
    """`workers` processes that decode emissions; each loads its decoder once, at its start.

    A search that crashes or hangs costs itself: its process is replaced, the others go on.
    """

    def __init__(self, recipe: DecoderRecipe, workers: int) -> None:
        self._processes = ProcessPool(
            max_workers=workers,
            context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(recipe,),
        )
        # The processes start with the first task, and load while there is no work yet.
        self._processes.schedule(_load_decoder, args=(recipe,))

    def submit(self, log_probs: NDArray[np.float32]) -> Decoding:
        """Decode `(T, C)` log-probabilities."""
        future = self._processes.schedule(_decode, args=(log_probs,), timeout=DEADLINE_S)
        return Decoding(future)

    def close(self) -> None:
        self._processes.stop()
        self._processes.join()


_decoders: dict[DecoderRecipe, Decoder] = {}


def _start(recipe: DecoderRecipe) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _load_decoder(recipe)


def _load_decoder(recipe: DecoderRecipe) -> None:
    if recipe not in _decoders:
        _decoders[recipe] = recipe.load()


def _decode(log_probs: NDArray[np.float32]) -> Hypothesis:
    (decoder,) = _decoders.values()
    return decoder.decode(log_probs)


def _end_with_parent() -> None:
    """A parent that is killed takes its decoders along."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
