"""The most probable token of each frame, repeats collapsed and blanks removed.

Graves et al. 2006, "Connectionist temporal classification", section 3.2 (best path decoding).
Letters: B batch, T frames, C classes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.hypothesis import Hypothesis, Word
from models.padding import frame_mask
from models.vocabulary import Vocabulary


def ctc_greedy(log_probs: Tensor, lengths: Tensor, vocabulary: Vocabulary) -> list[Hypothesis]:
    """Decode `(B, T, C)` log-probabilities with `(B,)` lengths on the device that holds them.

    Words part where the vocabulary says so; a word is written as its tokens and lasts from its
    first token's first frame to its last token's last frame. Its confidence is the mean posterior
    of its tokens' frames.
    """
    best, tokens = log_probs.max(dim=-1)
    mask = frame_mask(lengths, log_probs.shape[1])
    tokens = tokens.masked_fill(~mask, vocabulary.blank)
    scores = (best * mask).sum(dim=1)
    return [
        _read_path(path, posterior, score, vocabulary)
        for path, posterior, score in zip(
            tokens.cpu().numpy(), torch.exp(best).cpu().numpy(), scores.tolist(), strict=True
        )
    ]


def read_greedily(log_probs: NDArray[np.float32], vocabulary: Vocabulary) -> Hypothesis:
    """`ctc_greedy` of one emission `(T, C)`; without frames there are no words."""
    if len(log_probs) == 0:
        return Hypothesis((), (), 0.0)
    path = log_probs.argmax(axis=1)
    best = log_probs[np.arange(len(path)), path]
    return _read_path(path, np.exp(best), float(best.sum()), vocabulary)


def _read_path(
    path: NDArray[np.int64], posterior: NDArray[np.float32], score: float, vocabulary: Vocabulary
) -> Hypothesis:
    changes = np.flatnonzero(np.diff(path, prepend=-1))
    ends = np.append(changes[1:], len(path))
    tokens: list[int] = []
    words: list[Word] = []
    runs: list[tuple[int, int]] = []

    def close_word() -> None:
        text = "".join(vocabulary.text(path[start]) for start, _ in runs)
        if text:
            frames = np.concatenate([posterior[start:end] for start, end in runs])
            words.append(
                Word(
                    text=text,
                    start_frame=runs[0][0],
                    end_frame=runs[-1][1],
                    confidence=float(frames.mean()),
                )
            )
        runs.clear()

    for start, end in zip(changes.tolist(), ends.tolist(), strict=True):
        token = int(path[start])
        if token == vocabulary.blank:
            continue
        tokens.append(token)
        if vocabulary.starts_word(token):
            close_word()
        if token != vocabulary.word_boundary:
            runs.append((start, end))
    close_word()
    return Hypothesis(tuple(tokens), tuple(words), score)
