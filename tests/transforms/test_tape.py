"""A tape has no holes, forgets what is behind it, and remembers what was lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from transforms.reader import Block
from transforms.tape import FILL_SAMPLES, Loss, Tape


def ramp(first: int, count: int) -> NDArray[np.float32]:
    """Two channels; every sample says where it belongs, the second in negative."""
    values = np.arange(first, first + count, dtype=np.float32) + 1
    return np.stack([values, -values], axis=1)


def blocks(*stretches: tuple[int, int]) -> Iterator[Block]:
    return iter([Block(first, ramp(first, count)) for first, count in stretches])


@given(
    st.integers(0, 50),
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 30)), min_size=1, max_size=8),
    st.data(),
)
def test_every_sample_has_its_place(
    begin: int, parts: list[tuple[int, int]], data: st.DataObject
) -> None:
    position, stretches, expected = begin, [], []
    for hole, count in parts:
        expected += [0.0] * hole
        position += hole
        stretches.append((position, count))
        expected += list(ramp(position, count)[:, 0])
        position += count
    tape = Tape(begin, [1, 0], blocks(*stretches))
    tape.extend(data.draw(st.integers(begin, position)))
    tape.extend(position + 5)
    assert (tape.begin, tape.end) == (begin, position)
    first = data.draw(st.integers(begin, position))
    last = data.draw(st.integers(first, position))
    wanted = np.array(expected[first - begin : last - begin], dtype=np.float32)
    np.testing.assert_array_equal(tape.channel(1, first, last), wanted)
    np.testing.assert_array_equal(tape.channel(0, first, last), -wanted)
    tape.forget_before(first)
    assert tape.begin <= first
    np.testing.assert_array_equal(tape.channel(1, first, last), wanted)
    assert tape.losses == []


def test_it_reads_no_further_than_it_must() -> None:
    source = blocks((0, 10), (10, 10), (20, 10))
    tape = Tape(0, [0], source)
    tape.extend(15)
    assert tape.end == 20
    assert next(source).first_sample == 20


def test_a_hole_longer_than_memory_is_filled_piece_by_piece() -> None:
    far = 10**15
    tape = Tape(0, [0], blocks((0, 10), (far, 10)))
    tape.extend(100)
    assert 100 <= tape.end <= 100 + FILL_SAMPLES
    assert not tape.channel(0, 10, 100).any()


def test_losses_are_remembered() -> None:
    source = iter(
        [
            Block(0, ramp(0, 10)),
            Block(15, ramp(15, 5), after_loss=True),
            Block(20, ramp(20, 5), after_loss=True),
            Block(25, np.zeros((0, 2), np.float32), after_loss=True),
        ]
    )
    tape = Tape(0, [0], source)
    tape.extend(100)
    assert tape.losses == [Loss(10, 15), Loss(20, 20), Loss(25, 25)]
    assert tape.lost(0, 10) == []
    assert tape.lost(12, 14) == [Loss(10, 15)]
    assert tape.lost(20, 21) == [Loss(20, 20)]


def test_what_is_no_number_is_lost() -> None:
    frames = ramp(0, 10)
    frames[[3, 5], 0] = np.nan, np.inf
    frames[8, 1] = np.nan
    tape = Tape(0, [0], iter([Block(0, frames)]))
    tape.extend(10)
    assert tape.losses == [Loss(3, 6, decoded=True)]
    assert list(tape.channel(0, 2, 7)) == [3, 0, 5, 0, 7]
