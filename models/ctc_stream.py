"""Streams through a CTC model: chunk by chunk, each heard with some audio before and after it.

A CTC model of the kinds that are here attends to all of a recording, or to more of it than a
stream can wait for. So this is an approximation: each chunk is heard in a window with context on
both sides, and the emission's frames of the chunk alone are kept. They do not depend on how the
audio arrived. Where the model falls silent its words become final.

Letters: T frames, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from models.decode.ctc_greedy import ctc_greedy
from models.hypothesis import Hypothesis, Word
from models.recognizer import Recognizer
from models.stream_update import StreamedWord, StreamUpdate, place_words

Samples = NDArray[np.float32]
LogProbs = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class CtcWindow:
    """What is heard at once, in seconds: a chunk between its contexts.

    The latency is `chunk_s + right_s`. After `pause_s` without a token, or at `longest_s`, what
    was said is final. Raises `ValueError` for a window that holds nothing.
    """

    chunk_s: float = 0.8
    left_s: float = 8.0
    right_s: float = 0.8
    pause_s: float = 0.48
    longest_s: float = 20.0

    def __post_init__(self) -> None:
        if self.chunk_s <= 0 or min(self.left_s, self.right_s) < 0 or self.pause_s <= 0:
            raise ValueError(f"a window needs a chunk, contexts and a pause, got {self}")


@dataclass(frozen=True, slots=True)
class CtcStreamState:
    """One stream between two chunks.

    `samples` reach back over the left context to sample `start`; the next chunk begins at
    `chunk_start`. `emission` `(T, C)` are the frames since the last final word, the first of them
    frame `first_frame` of the stream; the last `quiet` of them are blank.
    """

    num_samples: int
    start: int
    samples: Samples
    chunk_start: int
    first_frame: int
    emission: LogProbs
    quiet: int


class CtcEngine:
    """Streams through one CTC model; `decode` None takes the best path of `(T, C)` log-probs."""

    exact = False

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        decode: Callable[[LogProbs], Hypothesis] | None = None,
        window: CtcWindow | None = None,
    ) -> None:
        self.recognizer = recognizer
        self.decode = decode or self._best_path
        window = window or CtcWindow()
        rate_hz, frame = recognizer.card.sample_rate_hz, recognizer.card.frame_samples

        def frames(seconds: float) -> int:
            return max(1, round(seconds * rate_hz / frame))

        self._chunk = frames(window.chunk_s) * frame
        self._left = round(window.left_s * rate_hz / frame) * frame
        self._right = round(window.right_s * rate_hz)
        self._pause = frames(window.pause_s)
        self._longest = frames(window.longest_s)

    def begin(self) -> CtcStreamState:
        classes = len(self.recognizer.vocabulary)
        return CtcStreamState(
            num_samples=0,
            start=0,
            samples=np.zeros(0, dtype=np.float32),
            chunk_start=0,
            first_frame=0,
            emission=np.zeros((0, classes), dtype=np.float32),
            quiet=0,
        )

    def accept(
        self, state: CtcStreamState, samples: Samples
    ) -> tuple[CtcStreamState, StreamUpdate]:
        state = replace(
            state,
            num_samples=state.num_samples + len(samples),
            samples=np.concatenate([state.samples, samples]),
        )
        final: list[StreamedWord] = []
        while state.num_samples >= state.chunk_start + self._chunk + self._right:
            end = state.chunk_start + self._chunk
            state, words = self._hear(state, end, end + self._right)
            final += words
        partial = self._read(state)
        return state, StreamUpdate(tuple(final), partial, self._seconds(state))

    def finish(self, state: CtcStreamState) -> StreamUpdate:
        state, words = self._hear(state, None, state.num_samples)
        rest = self._read(state)
        return StreamUpdate((*words, *rest), (), self._seconds(state))

    def _hear(
        self, state: CtcStreamState, chunk_end: int | None, window_end: int
    ) -> tuple[CtcStreamState, list[StreamedWord]]:
        """Hear up to `window_end` and keep the chunk's frames; where it is last, all of them."""
        frame = self.recognizer.card.frame_samples
        window = state.samples[: window_end - state.start]
        (emission,) = self.recognizer.emit([window])
        first = (state.chunk_start - state.start) // frame
        last = None if chunk_end is None else (chunk_end - state.start) // frame
        state, words = self._append(state, emission.log_probs[first:last])
        if chunk_end is None:
            return state, words
        start = max(0, chunk_end - self._left)
        # A copy: a view would keep everything before it alive.
        kept = state.samples[start - state.start :].copy()
        return replace(state, chunk_start=chunk_end, start=start, samples=kept), words

    def _append(
        self, state: CtcStreamState, log_probs: LogProbs
    ) -> tuple[CtcStreamState, list[StreamedWord]]:
        """Add frames, and close what was said at every pause among them."""
        blank = self.recognizer.vocabulary.blank
        final: list[StreamedWord] = []
        begun = 0
        for place, token in enumerate(log_probs.argmax(axis=1).tolist(), start=1):
            quiet = state.quiet + 1 if token == blank else 0
            length = len(state.emission) + place - begun
            state = replace(state, quiet=quiet)
            if quiet == self._pause or length >= self._longest:
                rows = np.concatenate([state.emission, log_probs[begun:place]])
                state = replace(state, emission=rows)
                final += self._read(state)
                state = replace(
                    state,
                    first_frame=state.first_frame + len(rows),
                    emission=rows[:0].copy(),
                )
                begun = place
        rows = np.concatenate([state.emission, log_probs[begun:]])
        return replace(state, emission=rows), final

    def _read(self, state: CtcStreamState) -> tuple[StreamedWord, ...]:
        if len(state.emission) == 0:
            return ()
        shift = state.first_frame
        words = (
            Word(word.text, word.start_frame + shift, word.end_frame + shift, word.confidence)
            for word in self.decode(state.emission).words
        )
        return place_words(words, self.recognizer.card, state.num_samples)

    def _best_path(self, log_probs: LogProbs) -> Hypothesis:
        rows = torch.from_numpy(log_probs)[None]
        lengths = torch.tensor([len(log_probs)])
        (hypothesis,) = ctc_greedy(rows, lengths, self.recognizer.vocabulary)
        return hypothesis

    def _seconds(self, state: CtcStreamState) -> float:
        return state.num_samples / self.recognizer.card.sample_rate_hz
