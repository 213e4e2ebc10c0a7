"""Streams through a transducer: exactly what the whole recording would give.

The features, the encoder and the decoder each go on from their state, whatever the sizes of the
chunks. A word comes when its segment and the right context after it were heard; it is final when
the next word has begun, for until then its last token may have another after it.

Letters: T frames, D features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.decode.fusion import Fusion, NoFusion
from models.decode.rnnt_beam import (
    Beam,
    begin_beams,
    finish_beams,
    rnnt_beam,
)
from models.decode.rnnt_greedy import rnnt_greedy
from models.decode.transducer import Prediction, TokenPath, read_words
from models.decode.transducer_options import TransducerBeamOptions
from models.emformer import EncoderState
from models.stream_update import StreamedWord, StreamUpdate, place_words
from models.transducer_recognizer import TransducerRecognizer


@dataclass(frozen=True, slots=True)
class TransducerStreamState:
    """One stream between two chunks.

    `line` are samples, from the first of the next feature frame's window; `last` are those that
    the end would be reflected from; `before` are frames that echo in later ones; `features`
    `(T, D)` wait for their right context. `pending`
    are the tokens after the last final word: one path of the greedy decoder, or the beam's.
    """

    num_samples: int
    line: Tensor
    last: Tensor
    before: Tensor
    features: Tensor
    encoder: EncoderState
    num_frames: int
    prediction: Prediction
    pending: TokenPath
    beam: Beam


class TransducerEngine:
    """Streams through one transducer; `options` None decodes greedily."""

    exact = True

    def __init__(
        self,
        recognizer: TransducerRecognizer,
        *,
        options: TransducerBeamOptions | None = None,
        fusion: Fusion | None = None,
    ) -> None:
        if fusion is not None and options is None:
            raise ValueError("a language model or hotwords need a beam search: give its options")
        self.recognizer = recognizer
        self.network = recognizer.network
        self.options = options
        self.fusion = fusion or NoFusion()

    @torch.inference_mode()
    def begin(self) -> TransducerStreamState:
        features = self.network.features
        start = self.network.begin(1)
        nothing = features.window.new_zeros(0)
        return TransducerStreamState(
            num_samples=0,
            line=nothing,
            last=nothing,
            before=features.silence(),
            features=features.mean.new_zeros(0, self.network.shape.feature_width),
            encoder=self.network.initial_state(1),
            num_frames=0,
            prediction=start,
            pending=TokenPath(),
            beam=() if self.options is None else begin_beams(start, self.fusion)[0],
        )

    @torch.inference_mode()
    def accept(
        self, state: TransducerStreamState, samples: NDArray[np.float32]
    ) -> tuple[TransducerStreamState, StreamUpdate]:
        chunk = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
        state = self._extract(state, chunk.to(state.last.device))
        shape = self.network.shape
        whole = (len(state.features) - shape.right_context_frames) // shape.segment_frames
        if whole > 0:
            state = self._decode(state, whole * shape.segment_frames)
        state, final = self._settle(state)
        partial = self._place(state, self._paths(state)[0])
        return state, StreamUpdate(final, partial, self._seconds(state))

    @torch.inference_mode()
    def finish(self, state: TransducerStreamState) -> StreamUpdate:
        reach = self.network.features.num_fft // 2
        if state.num_samples > reach:
            mirrored = state.last[:-1].flip(0)
            state = self._frame(state, torch.cat([state.line, mirrored]))
        if len(state.features) >= self.network.shape.stride:
            state = self._decode(state, len(state.features))
        return StreamUpdate(self._place(state, self._paths(state)[0]), (), self._seconds(state))

    def _extract(self, state: TransducerStreamState, chunk: Tensor) -> TransducerStreamState:
        """Take in samples, and make the features whose windows they complete."""
        reach = self.network.features.num_fft // 2
        num_samples = state.num_samples + len(chunk)
        line = torch.cat([state.line, chunk])
        if state.num_samples <= reach < num_samples:
            line = torch.cat([line[1 : reach + 1].flip(0), line])
        last = torch.cat([state.last, chunk])[-reach - 1 :]
        state = replace(state, num_samples=num_samples, last=last, line=line)
        return self._frame(state, line) if num_samples > reach else state

    def _frame(self, state: TransducerStreamState, line: Tensor) -> TransducerStreamState:
        features = self.network.features
        if len(line) < features.num_fft:
            return replace(state, line=line)
        made = features.frames(line)
        known = torch.cat([state.before, made])
        return replace(
            state,
            before=known[len(known) - len(state.before) :].clone(),
            # A copy: a view would keep all of the chunk alive, and be pickled with it.
            line=line[len(made) * features.hop_samples :].clone(),
            features=torch.cat([state.features, features.with_echoes(made, state.before)]),
        )

    def _decode(self, state: TransducerStreamState, num_frames: int) -> TransducerStreamState:
        """Encode and decode the first `num_frames` of the features that wait."""
        shape, network = self.network.shape, self.network
        right = shape.right_context_frames
        features, _ = network.pad([state.features[: num_frames + right]])
        segments = max(1, -(-num_frames // shape.segment_frames))
        features = features[:, : segments * shape.segment_frames + right]
        taken = torch.tensor([num_frames], device=features.device)
        encoded, lengths, encoder = network.encode(features, taken, state.encoder)
        blank = self.recognizer.vocabulary.blank
        state = replace(
            state,
            features=state.features[num_frames:].clone(),
            encoder=encoder,
            num_frames=state.num_frames + int(lengths),
        )
        first_frame = state.num_frames - int(lengths)
        if self.options is None:
            (path,), prediction = rnnt_greedy(network, encoded, lengths, blank, state.prediction)
            moved = tuple(first_frame + frame for frame in path.frames)
            pending = state.pending + replace(path, frames=moved)
            return replace(state, prediction=prediction, pending=pending)
        (beam,) = rnnt_beam(
            network,
            encoded,
            lengths,
            blank,
            [state.beam],
            self.options,
            fusion=self.fusion,
            first_frame=first_frame,
        )
        return replace(state, beam=beam)

    def _paths(self, state: TransducerStreamState) -> list[TokenPath]:
        if self.options is None:
            return [state.pending]
        return finish_beams([state.beam], self.fusion, len(state.beam))[0]

    def _settle(
        self, state: TransducerStreamState
    ) -> tuple[TransducerStreamState, tuple[StreamedWord, ...]]:
        """Take the words that cannot change any more off the pending tokens."""
        paths = self._paths(state)
        count = _settled(paths, self.recognizer)
        if count == 0:
            return state, ()
        final = self._place(state, _head(paths[0], count))
        return replace(
            state,
            pending=_tail(state.pending, count),
            beam=tuple(
                replace(candidate, path=_tail(candidate.path, count)) for candidate in state.beam
            ),
        ), final

    def _place(self, state: TransducerStreamState, path: TokenPath) -> tuple[StreamedWord, ...]:
        words = read_words(path, self.recognizer.vocabulary).words
        return place_words(words, self.recognizer.card, state.num_samples)

    def _seconds(self, state: TransducerStreamState) -> float:
        return state.num_samples / self.recognizer.card.sample_rate_hz


def _settled(paths: list[TokenPath], recognizer: TransducerRecognizer) -> int:
    """How many first tokens all paths share, up to a word that has another after it in each."""
    shared = 0
    for tokens in zip(*(path.tokens for path in paths), strict=False):
        if len(set(tokens)) > 1:
            break
        shared += 1
    starts = recognizer.vocabulary.starts_word
    first = paths[0].tokens
    return max((place for place in range(1, shared) if starts(first[place])), default=0)


def _head(path: TokenPath, count: int) -> TokenPath:
    return TokenPath(path.tokens[:count], path.frames[:count], path.log_probs[:count], path.score)


def _tail(path: TokenPath, count: int) -> TokenPath:
    return TokenPath(path.tokens[count:], path.frames[count:], path.log_probs[count:], path.score)
