import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.emformer import initial_state, run_emformer, select_items
from tests.models.emformers import emformer

WIDTH, SEGMENT, RIGHT = 32, 4, 1


@pytest.mark.parametrize("memories", [0, 3])
@pytest.mark.parametrize("length", [1, 4, 5, 8, 22, 47])
def test_it_is_torchaudios_emformer(memories: int, length: int) -> None:
    network = emformer(seed=length, memories=memories)
    transformer = network.rnnt.transcriber.transformer
    frames = torch.randn(1, length + RIGHT, WIDTH)
    reference, _ = transformer(frames, torch.tensor([length]))
    segments = -(-length // SEGMENT)
    padded = torch.zeros(1, segments * SEGMENT + RIGHT, WIDTH)
    padded[:, : length + RIGHT] = frames
    state = initial_state(transformer, 1, padded)
    encoded, _ = run_emformer(transformer, padded, torch.tensor([length]), state)
    torch.testing.assert_close(encoded[:, :length], reference, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("memories", [0, 3])
def test_chunks_are_torchaudios_infer_and_the_whole(memories: int) -> None:
    network = emformer(seed=1, memories=memories)
    transformer = network.rnnt.transcriber.transformer
    frames = torch.randn(2, 12 * SEGMENT + RIGHT, WIDTH)
    lengths = torch.full((2,), 12 * SEGMENT)
    whole, _ = run_emformer(transformer, frames, lengths, initial_state(transformer, 2, frames))
    state, theirs = initial_state(transformer, 2, frames), None
    for start in range(0, 12 * SEGMENT, SEGMENT):
        chunk = frames[:, start : start + SEGMENT + RIGHT]
        encoded, state = run_emformer(transformer, chunk, torch.full((2,), SEGMENT), state)
        reference, _, theirs = transformer.infer(chunk, torch.full((2,), SEGMENT + RIGHT), theirs)
        expected = whole[:, start : start + SEGMENT]
        torch.testing.assert_close(encoded, expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(encoded, reference, atol=1e-5, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    memories=st.sampled_from([0, 2]),
    noise=st.floats(0.1, 100.0),
)
def test_padding_and_neighbours_are_invisible(
    lengths: list[int], memories: int, noise: float
) -> None:
    transformer = emformer(seed=2, memories=memories).rnnt.transcriber.transformer
    items = [torch.randn(length, WIDTH) for length in lengths]
    total = -(-max(lengths) // SEGMENT) * SEGMENT + 2 * SEGMENT + RIGHT
    batch = noise * torch.randn(len(items), total, WIDTH)
    for row, item in enumerate(items):
        batch[row, : len(item)] = item
        batch[row, len(item) : len(item) + RIGHT] = 0.0
    encoded, _ = run_emformer(
        transformer, batch, torch.tensor(lengths), initial_state(transformer, len(items), batch)
    )
    for row, item in enumerate(items):
        alone = torch.zeros(1, -(-len(item) // SEGMENT) * SEGMENT + RIGHT, WIDTH)
        alone[0, : len(item)] = item
        single, _ = run_emformer(
            transformer, alone, torch.tensor([len(item)]), initial_state(transformer, 1, alone)
        )
        torch.testing.assert_close(
            encoded[row, : len(item)], single[0, : len(item)], atol=1e-5, rtol=1e-5
        )


def test_items_can_be_taken_out_of_a_state() -> None:
    transformer = emformer(seed=3).rnnt.transcriber.transformer
    frames = torch.randn(3, 4 * SEGMENT + RIGHT, WIDTH)
    first = frames[:, : 2 * SEGMENT + RIGHT]
    lengths = torch.full((3,), 2 * SEGMENT)
    _, state = run_emformer(transformer, first, lengths, initial_state(transformer, 3, frames))
    rest = frames[:, 2 * SEGMENT :]
    all_three, _ = run_emformer(transformer, rest, lengths, state)
    some = torch.tensor([2, 0])
    two, _ = run_emformer(transformer, rest[some], lengths[some], select_items(state, some))
    torch.testing.assert_close(two, all_three[some])


def test_half_a_segment_is_refused() -> None:
    transformer = emformer(seed=3).rnnt.transcriber.transformer
    frames = torch.randn(1, SEGMENT + RIGHT + 1, WIDTH)
    with pytest.raises(ValueError, match="whole segments of 4 frames and 1"):
        run_emformer(transformer, frames, torch.tensor([4]), initial_state(transformer, 1, frames))
