"""Batches that a digit transducer is trained on: features, tokens, and when each may come.

Letters: B batch, T frames, U tokens, D features.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soxr
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from models.emformer_rnnt import EmformerRnnt
from models.emformer_shape import EmformerRnntShape
from models.weights.digit_strings import RATE_HZ, Clip, DigitString, synthesise

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# The onset of a word is a token of its own, so that a word has a start and an end.
TOKENS = ("▁", *WORDS, "<blank>")
ONSET, BLANK = 0, len(TOKENS) - 1

# The data end at 4 kHz, so the model listens below: narrow and wide band sound alike to it.
SHAPE = EmformerRnntShape(
    num_filters=24,
    lowest_hz=100.0,
    highest_hz=3_800.0,
    echoes=6,
    segment_frames=16,
    right_context_frames=4,
    reduced_width=28,
    heads=4,
    hidden=256,
    layers=3,
    left_context=24,
    encoding_width=64,
    token_width=32,
    lstm_layers=1,
    classes=len(TOKENS),
)


SORTED_BATCHES = 4
"""Batches that are drawn together and sorted by length, so that little of them is padding."""


IGNORED = -100
"""The label of a frame that is not asked: the beginning of a word, which may still be any."""


@dataclass(frozen=True)
class Example:
    """Features `(T, D)`, token ids, and for each token the encoder frames that may emit it.

    `labels` name what is said at each encoder frame: 0 nothing, else 1 + digit, or `IGNORED`.
    """

    features: Tensor
    tokens: tuple[int, ...]
    windows: tuple[tuple[int, int], ...]
    labels: Tensor


@dataclass(frozen=True)
class TrainingBatch:
    """Padded examples: features `(B, T, D)`, tokens `(B, U)`, lengths, `windows` `(B, U, 2)`.

    `labels` are `(B, T)` in encoder frames.
    """

    features: Tensor
    lengths: Tensor
    tokens: Tensor
    token_lengths: Tensor
    windows: Tensor
    labels: Tensor


def example(string: DigitString, network: EmformerRnnt) -> Example:
    samples = soxr.resample(string.samples, RATE_HZ, SHAPE.sample_rate_hz, "LQ")
    features = network.features(torch.from_numpy(np.asarray(samples, dtype=np.float32)))
    frame_s = SHAPE.frame_samples / SHAPE.sample_rate_hz
    tokens: list[int] = []
    windows: list[tuple[int, int]] = []
    labels = torch.zeros(len(features) // SHAPE.stride, dtype=torch.long)
    for digit, (start_s, end_s) in zip(string.digits, string.spans_s, strict=True):
        duration_s = end_s - start_s
        tokens += [ONSET, 1 + digit]
        windows += [
            (int(start_s / frame_s) - 1, int((start_s + 0.6 * duration_s) / frame_s) + 1),
            (int((start_s + 0.4 * duration_s) / frame_s), int((end_s + 0.12) / frame_s) + 1),
        ]
        begin, known, end = (
            int((start_s + share * duration_s) / frame_s) for share in (0.0, 0.35, 1.0)
        )
        labels[begin:known] = IGNORED
        labels[known : end + 1] = 1 + digit
    return Example(features, tuple(tokens), tuple(windows), labels)


class Batches(IterableDataset):  # type: ignore[type-arg]
    """Batches of about `batch_digits` digits, without end."""

    def __init__(
        self, clips: Sequence[Clip], network: EmformerRnnt, batch_digits: int, seed: int
    ) -> None:
        self.voices = {
            speaker: {
                digit: [c for c in clips if (c.speaker, c.digit) == (speaker, digit)]
                for digit in range(10)
            }
            for speaker in sorted({clip.speaker for clip in clips})
        }
        self.network = network
        self.batch_digits = batch_digits
        self.seed = seed

    def __iter__(self) -> Iterator[TrainingBatch]:
        torch.set_num_threads(1)
        random = np.random.default_rng(self.seed)
        speakers = list(self.voices)
        everyone = {
            digit: [clip for voice in self.voices.values() for clip in voice[digit]]
            for digit in range(10)
        }
        for step in itertools.count(step=SORTED_BATCHES):
            count = int(random.integers(1, 13))
            size = max(6, min(24, self.batch_digits // count))
            changed = min(0.9, 0.3 + step / 1000)
            examples = []
            for _ in range(size * SORTED_BATCHES):
                speaker = speakers[random.integers(len(speakers))]
                # Some strings take every digit from whoever says it, so that none leans on a voice.
                clips = everyone if random.random() < 0.25 else self.voices[speaker]
                digits = 0 if random.random() < 0.04 else max(1, count - int(random.integers(0, 2)))
                string = synthesise(clips, digits, changed, random)
                examples.append(example(string, self.network))
            examples.sort(key=lambda item: len(item.features))
            for place in random.permutation(SORTED_BATCHES) * size:
                yield collate(examples[place : place + size], self.network, random)


def collate(
    examples: Sequence[Example], network: EmformerRnnt, random: np.random.Generator
) -> TrainingBatch:
    features, lengths = network.pad([_mask_features(item.features, random) for item in examples])
    longest = max(len(item.tokens) for item in examples)
    tokens = torch.zeros(len(examples), longest, dtype=torch.int32)
    windows = torch.zeros(len(examples), longest, 2, dtype=torch.int32)
    for row, item in enumerate(examples):
        if item.tokens:
            tokens[row, : len(item.tokens)] = torch.tensor(item.tokens)
            windows[row, : len(item.tokens)] = torch.tensor(item.windows)
    token_lengths = torch.tensor([len(item.tokens) for item in examples])
    labels = torch.nn.utils.rnn.pad_sequence(
        [item.labels for item in examples], batch_first=True, padding_value=IGNORED
    )
    return TrainingBatch(features, lengths, tokens, token_lengths, windows, labels)


def _mask_features(features: Tensor, random: np.random.Generator) -> Tensor:
    """SpecAugment (Park et al. 2019, arXiv:1904.08779): short, so that no digit disappears."""
    features = features.clone()
    for _ in range(2):
        width = int(random.integers(0, 6))
        start = int(random.integers(0, SHAPE.num_filters - width))
        features.view(len(features), -1, SHAPE.num_filters)[:, :, start : start + width] = 0
    for _ in range(max(1, len(features) // 100)):
        width = int(random.integers(0, 8))
        start = int(random.integers(0, max(1, len(features) - width)))
        features[start : start + width] = 0
    return features
