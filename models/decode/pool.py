"""Beam searches in processes of their own: the decoder holds Python's lock while it works."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pebble import ProcessExpired, ProcessPool

from models.decode.ctc_beam import BeamSearchOptions, CtcBeamDecoder
from models.decode.ctc_open import CtcOpenDecoder
from models.decode.word_scores import OpenSearchOptions
from models.errors import CheckpointError, DecodingError
from models.hypothesis import Hypothesis
from models.lexicon import load_lexicon, load_words, spell_words
from models.registry import find_model

DEADLINE_S = 300.0
"""What one search may take, many times what the longest emission does."""

ATTEMPTS = 3
"""How often a search is begun that lost its process before it began."""


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

    def __init__(self, pool: DecoderPool, log_probs: NDArray[np.float32]) -> None:
        self._pool = pool
        self._log_probs = log_probs
        self._processes, self._future = pool.schedule(log_probs)

    def done(self) -> bool:
        return self._future.done()

    def result(self) -> Hypothesis:
        """Raises `DecodingError` where the search crashed its process or was given up."""
        for _ in range(ATTEMPTS):
            try:
                return self._future.result()
            except BrokenProcessPool:
                # A process died between two searches: nobody's fault, and all of them are gone.
                self._pool.replace(self._processes)
                self._processes, self._future = self._pool.schedule(self._log_probs)
            except ProcessExpired as error:
                raise DecodingError(f"the decoder's process died ({error})") from error
            except TimeoutError as error:
                raise DecodingError(f"the decoder found nothing within {DEADLINE_S:g} s") from error
        raise CheckpointError("the decoder's processes die before they decode anything")


class DecoderPool:
    """`workers` processes that decode emissions; each loads its decoder once, at its start.

    A search that crashes or hangs costs itself: its process is replaced, the others go on.
    """

    def __init__(self, recipe: DecoderRecipe, workers: int) -> None:
        self._recipe, self._workers = recipe, workers
        self._processes = self._start_processes()

    def submit(self, log_probs: NDArray[np.float32]) -> Decoding:
        """Decode `(T, C)` log-probabilities."""
        return Decoding(self, log_probs)

    def schedule(self, log_probs: NDArray[np.float32]) -> tuple[ProcessPool, Future[Hypothesis]]:
        processes = self._processes
        try:
            return processes, processes.schedule(_decode, args=(log_probs,), timeout=DEADLINE_S)
        except RuntimeError:
            # Broken since the last search.
            self.replace(processes)
            processes = self._processes
            return processes, processes.schedule(_decode, args=(log_probs,), timeout=DEADLINE_S)

    def replace(self, broken: ProcessPool) -> None:
        """Start new processes, unless somebody has done so already."""
        if self._processes is broken:
            broken.stop()
            self._processes = self._start_processes()

    def close(self) -> None:
        self._processes.stop()
        self._processes.join()

    def _start_processes(self) -> ProcessPool:
        processes = ProcessPool(
            max_workers=self._workers,
            context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(self._recipe,),
        )
        # The processes start with the first task, and load while there is no work yet.
        processes.schedule(_load_decoder, args=(self._recipe,))
        return processes


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
