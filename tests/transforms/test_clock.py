"""Frames follow each other unless their timestamps leave a hole that can be believed."""

from __future__ import annotations

import pytest

from transforms.clock import LONGEST_HOLE_S, Clock

RATE_HZ = 16_000


def run(clock: Clock, *stamps: int | None, num_samples: int = 1000) -> list[int]:
    positions = []
    for stamped in stamps:
        clock.place(stamped, num_samples)
        positions.append(clock.position)
        clock.advance(num_samples)
    return positions


def test_rounded_timestamps_do_not_tear_the_sound() -> None:
    clock = Clock("matroska", RATE_HZ, begins_anywhere=False)
    assert run(clock, 0, 1008, 1992, None, 4010) == [0, 1000, 2000, 3000, 4000]
    assert not clock.lost


def test_a_hole_is_kept() -> None:
    clock = Clock("matroska", RATE_HZ, begins_anywhere=False)
    assert run(clock, 0, 1000, 5000, 6000) == [0, 1000, 5000, 6000]


def test_small_holes_add_up_until_they_are_seen() -> None:
    clock = Clock("mov", RATE_HZ, begins_anywhere=False)
    assert run(clock, 0, 1000 + 900, 2000 + 1800) == [0, 1000, 3800]


def test_a_sound_may_begin_late() -> None:
    assert run(Clock("mov", RATE_HZ, begins_anywhere=False), 8000, 9000) == [8000, 9000]


def test_a_coders_delay_is_no_late_beginning() -> None:
    assert run(Clock("matroska", RATE_HZ, begins_anywhere=False), 48, 1048) == [0, 1000]
    assert run(Clock("matroska", RATE_HZ, begins_anywhere=False), -300, 700) == [0, 1000]


@pytest.mark.parametrize("stamped", [LONGEST_HOLE_S * RATE_HZ + 3000, 2**50, -(2**50)])
def test_a_damaged_timestamp_is_not_believed(stamped: int) -> None:
    clock = Clock("matroska", RATE_HZ, begins_anywhere=False)
    assert run(clock, 0, 1000, stamped, 3000) == [0, 1000, 2000, 3000]


def test_reading_that_was_moved_begins_where_the_frame_says() -> None:
    assert run(Clock("ogg", RATE_HZ, begins_anywhere=True), 777, 1777) == [777, 1777]


def test_what_does_not_decode_is_lost_once_there_was_sound() -> None:
    clock = Clock("matroska", RATE_HZ, begins_anywhere=False)
    clock.miss()
    assert not clock.lost
    clock.skip(500)
    assert run(clock, 0) == [0]
    clock.miss()
    assert clock.lost
    clock.skip(500)
    assert run(clock, None) == [1500]
    assert not clock.lost


@pytest.mark.parametrize(("demuxer", "lost"), [("ogg", True), ("flac", True), ("matroska", False)])
def test_nothing_pauses_where_samples_are_counted(demuxer: str, lost: bool) -> None:
    clock = Clock(demuxer, RATE_HZ, begins_anywhere=False)
    run(clock, 0)
    clock.place(9000, 1000)
    assert (clock.position, clock.lost) == (9000, lost)


def test_streams_without_timestamps_are_counted() -> None:
    assert run(Clock("mp3", RATE_HZ, begins_anywhere=False), 0, 9000, 20_000) == [0, 1000, 2000]


def test_the_first_frame_of_adts_is_the_coders_delay() -> None:
    assert run(Clock("aac", RATE_HZ, begins_anywhere=False), 0, 1000) == [-1000, 0]
    assert run(Clock("aac", RATE_HZ, begins_anywhere=False), 1000, 2000) == [0, 1000]
