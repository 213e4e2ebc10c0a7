import itertools

import numpy as np
import pytest
import torch

from models.decode.ctc_greedy import ctc_greedy
from models.hypothesis import Hypothesis
from models.vocabulary import Vocabulary, WordMarks

A, B, BOUNDARY, BLANK = range(4)
VOCABULARY = Vocabulary(("a", "b", "|", "_"), blank=BLANK, word_boundary=BOUNDARY)


def emission(path: list[int], posterior: float = 0.7) -> torch.Tensor:
    probabilities = torch.full((len(path), 4), (1 - posterior) / 3)
    for frame, token in enumerate(path):
        probabilities[frame, token] = posterior
    return probabilities.log()


def decode(path: list[int]) -> Hypothesis:
    return ctc_greedy(emission(path)[None], torch.tensor([len(path)]), VOCABULARY)[0]


def test_words_times_and_confidence() -> None:
    path = [BLANK, A, A, BLANK, A, BOUNDARY, BLANK, B, BLANK]
    found = decode(path)
    assert found.tokens == (A, A, BOUNDARY, B)
    assert [(word.text, word.start_frame, word.end_frame) for word in found.words] == [
        ("aa", 1, 5),
        ("b", 7, 8),
    ]
    assert [word.confidence for word in found.words] == pytest.approx([0.7, 0.7])
    assert found.score == pytest.approx(len(path) * np.log(0.7), rel=1e-5)
    assert found.text == "aa b"


@pytest.mark.parametrize("path", list(itertools.product(range(4), repeat=4)))
def test_every_short_path_against_groupby(path: tuple[int, ...]) -> None:
    expected = tuple(token for token, _ in itertools.groupby(path) if token != BLANK)
    found = decode(list(path))
    assert found.tokens == expected
    spelled = "".join(VOCABULARY.tokens[token] for token in expected)
    assert [word.text for word in found.words] == [word for word in spelled.split("|") if word]
    frames = [frame for word in found.words for frame in (word.start_frame, word.end_frame)]
    assert frames == sorted(frames)


def test_what_padding_holds_is_not_read() -> None:
    short, long = emission([A, BOUNDARY]), emission([B, BLANK, A, B])
    batch = torch.stack([torch.cat([short, emission([B, B])]), long])
    found = ctc_greedy(batch, torch.tensor([2, 4]), VOCABULARY)
    assert found == [
        *ctc_greedy(short[None], torch.tensor([2]), VOCABULARY),
        *ctc_greedy(long[None], torch.tensor([4]), VOCABULARY),
    ]


def test_no_frames() -> None:
    assert ctc_greedy(emission([A])[None], torch.tensor([0]), VOCABULARY) == [
        Hypothesis((), (), 0.0)
    ]


@pytest.mark.parametrize(
    ("tokens", "marks", "path", "words"),
    [
        (
            ("▁a", "b", "▁", "_"),
            WordMarks.PREFIX,
            [0, 1, 3, 0, 2, 1],
            [("ab", 0, 2), ("a", 3, 4), ("b", 4, 6)],
        ),
        (("▁a", "b", "▁", "_"), WordMarks.PREFIX, [1, 2, 2, 0], [("b", 0, 1), ("a", 3, 4)]),
        (
            ("a", "##b", "c", "_"),
            WordMarks.CONTINUATION,
            [0, 1, 1, 2, 3, 1],
            [("ab", 0, 3), ("cb", 3, 6)],
        ),
    ],
)
def test_pieces_of_words(
    tokens: tuple[str, ...], marks: WordMarks, path: list[int], words: list[tuple[str, int, int]]
) -> None:
    vocabulary = Vocabulary(tokens, blank=3, word_boundary=None, marks=marks)
    (found,) = ctc_greedy(emission(path)[None], torch.tensor([len(path)]), vocabulary)
    assert [(word.text, word.start_frame, word.end_frame) for word in found.words] == words
