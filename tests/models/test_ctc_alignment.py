import itertools

import numpy as np
import pytest

from models.decode.ctc_alignment import align_tokens

BLANK = 2


def spelled(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token != BLANK)


@pytest.mark.parametrize("tokens", [(0,), (0, 1), (0, 0), (1, 0, 1), (0, 0, 1)])
def test_the_best_path_is_the_best_of_all(tokens: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(tokens))
    for frames in range(4, 8):
        log_probs = np.log(rng.dirichlet(np.ones(3), frames)).astype(np.float32)
        paths = [
            path for path in itertools.product(range(3), repeat=frames) if spelled(path) == tokens
        ]
        best = max(paths, key=lambda path: log_probs[np.arange(frames), path].sum())
        runs = [(len(list(before)), token) for token, before in itertools.groupby(best)]
        ends = np.cumsum([length for length, _ in runs]).tolist()
        expected = [
            (end - length, end)
            for end, (length, token) in zip(ends, runs, strict=True)
            if token != BLANK
        ]
        assert align_tokens(log_probs, tokens, BLANK) == expected


def test_no_tokens_stand_nowhere() -> None:
    assert align_tokens(np.zeros((3, 3), np.float32), (), BLANK) == []


def test_one_token_may_fill_every_frame() -> None:
    log_probs = np.log(np.array([[0.98, 0.01, 0.01]] * 4, np.float32))
    assert align_tokens(log_probs, (0,), BLANK) == [(0, 4)]


@pytest.mark.parametrize(("tokens", "frames"), [((0, 1), 1), ((0, 0), 2)])
def test_too_few_frames(tokens: tuple[int, ...], frames: int) -> None:
    with pytest.raises(ValueError, match=f"there are {frames}"):
        align_tokens(np.zeros((frames, 3), np.float32), tokens, BLANK)
