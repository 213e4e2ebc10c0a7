import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decode.rnnt_greedy import rnnt_greedy
from tests.models.transducers import TableTransducer, greedy_one_by_one


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    lengths=st.lists(st.integers(0, 23), min_size=1, max_size=5),
    most_tokens=st.integers(1, 4),
)
def test_a_batch_decodes_as_the_loop_over_frames(
    seed: int, lengths: list[int], most_tokens: int
) -> None:
    model = TableTransducer(frames=23, classes=4, seed=seed, sharp=2.0)
    order = torch.randperm(23, generator=torch.Generator().manual_seed(seed))
    encoded = torch.stack([model.encoded()[0][order.roll(item)] for item in range(len(lengths))])
    paths, _ = rnnt_greedy(
        model,
        encoded,
        torch.tensor(lengths),
        model.blank,
        model.begin(len(lengths)),
        most_tokens=most_tokens,
    )
    for path, frames, length in zip(paths, encoded, lengths, strict=True):
        tokens, places, score = greedy_one_by_one(model, frames[:length], most_tokens)
        assert list(path.tokens) == tokens
        assert list(path.frames) == places
        assert path.score == pytest.approx(score, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 20))
def test_two_pieces_decode_as_the_whole(seed: int, cut: int) -> None:
    model = TableTransducer(frames=20, classes=4, seed=seed, sharp=2.0)
    encoded = model.encoded()
    (whole,), _ = rnnt_greedy(model, encoded, torch.tensor([20]), model.blank, model.begin(1))
    (first,), prediction = rnnt_greedy(
        model, encoded[:, :cut], torch.tensor([cut]), model.blank, model.begin(1)
    )
    (second,), _ = rnnt_greedy(
        model, encoded[:, cut:], torch.tensor([20 - cut]), model.blank, prediction
    )
    assert first.tokens + second.tokens == whole.tokens
    assert first.frames + tuple(frame + cut for frame in second.frames) == whole.frames
    assert first.score + second.score == pytest.approx(whole.score, abs=1e-4)


def test_a_model_that_never_falls_silent_ends() -> None:
    model = TableTransducer(frames=6, classes=3, seed=1)
    model.scores[..., model.blank] = -30.0
    (path,), _ = rnnt_greedy(
        model, model.encoded(), torch.tensor([6]), model.blank, model.begin(1), most_tokens=3
    )
    assert path.frames == tuple(frame for frame in range(6) for _ in range(3))


def test_no_tokens_a_frame_are_refused() -> None:
    model = TableTransducer(frames=2, classes=3, seed=1)
    with pytest.raises(ValueError, match="most_tokens=0"):
        rnnt_greedy(
            model, model.encoded(), torch.tensor([2]), model.blank, model.begin(1), most_tokens=0
        )
