"""What a killed run had recognised is read back as it was, or done again."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from transforms import journal
from transforms.journal import (
    Entry,
    Journal,
    Piece,
    SkipJournaled,
    WriteJournal,
    _WriteJournal,
    entry_of,
    find_journals,
    read_entry,
    recover,
    write_entry,
)
from transforms.records import (
    Recording,
    Reel,
    Span,
    SpanOutcome,
    TimedWord,
    Track,
    Transcript,
)
from transforms.store import Stores

RATE_HZ = 16_000


def track(channel: int | None = None, num_spans: int = 2) -> Track:
    recording = Recording("r\u2028", "r.wav", "mix" if channel is None else "each")
    return Track(recording, channel, 8000, 2, 80_000, 0, 80_000, "f", num_spans)


def span(index: int, *tracks: Track) -> Span:
    return Span(tracks, index, 40_000 * index, 40_000 * (index + 1))


def transcript(index: int, start: int, samples: int) -> Transcript:
    words = (TimedWord("ɲa\u2028", start / RATE_HZ, (start + 10) / RATE_HZ, 1 / 3),)
    return Transcript((index, start), start / RATE_HZ, (start + samples) / RATE_HZ, samples, words)


def whole(each: Track, index: int) -> list[Entry]:
    """An outcome and the two transcripts that make it complete."""
    pieces: list[Piece] = [
        SpanOutcome(index, 3000, RATE_HZ, same_as_channel=each.channel, found_samples=7),
        transcript(index, 0, 1000),
        transcript(index, 1000, 2000),
    ]
    return [entry_of(each, piece) for piece in pieces]


@given(
    st.text(max_size=8),
    st.floats(0, 1e6),
    st.lists(st.tuples(st.text(max_size=5), st.floats(0, 1e6), st.floats(0, 1)), max_size=4),
)
def test_lines_read_back_as_they_were(
    identity: str, start_s: float, words: list[tuple[str, float, float]]
) -> None:
    timed = tuple(TimedWord(text, at_s, at_s, sure) for text, at_s, sure in words)
    spoken = Transcript((1, 5), start_s, start_s + 1, 16_000, timed)
    for piece in (spoken, SpanOutcome(1, 5, RATE_HZ, found_samples=3)):
        entry = Entry(identity, None, "f", 3, piece)
        line = write_entry(entry)
        assert "\n" not in line
        assert read_entry(line) == entry


def test_what_is_complete_is_not_done_again() -> None:
    mixed = track()
    reels = [Reel((span(0, mixed),)), Reel((span(1, mixed),))]
    left, known = recover(reels, whole(mixed, 1))
    assert left == reels[:1]
    assert [piece for _, piece in known] == [entry.piece for entry in whole(mixed, 1)]
    assert {each for each, _ in known} == {mixed}


def test_a_reel_of_many_spans_skips_those_that_are_done() -> None:
    mixed = track()
    reel = Reel((span(0, mixed), span(1, mixed)))
    assert recover([reel], whole(mixed, 0))[0] == [replace(reel, skipped=frozenset({0}))]
    assert recover([reel], [*whole(mixed, 0), *whole(mixed, 1)])[0] == []


def test_all_channels_of_a_span_must_be_done() -> None:
    left, right = track(0), track(1)
    reels = [Reel((span(0, left, right),))]
    assert recover(reels, whole(left, 0)) == (reels, [])
    remaining, known = recover(reels, [*whole(left, 0), *whole(right, 0)])
    assert remaining == []
    assert len(known) == 6


def test_written_twice_counts_once() -> None:
    mixed = track()
    _, known = recover([Reel((span(0, mixed),))], whole(mixed, 0) * 2)
    assert len(known) == 3


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_what_lacks_a_line_is_done_again(missing: int) -> None:
    mixed = track()
    reels = [Reel((span(0, mixed),))]
    entries = whole(mixed, 0)
    del entries[missing]
    assert recover(reels, entries) == (reels, [])


def test_spans_of_another_plan_are_done_again() -> None:
    reels = [Reel((span(0, track(num_spans=3)),))]
    assert recover(reels, whole(track(num_spans=2), 0)) == (reels, [])


def test_a_journal_is_written_and_read(tmp_path: Path) -> None:
    mixed = track()
    where = Journal(f"{tmp_path}/job/run=1")
    pairs = [(mixed, entry.piece) for entry in whole(mixed, 0)]
    broken = (mixed, SpanOutcome(1, 0, RATE_HZ, whole=False))
    with Pipeline(runner="FnApiRunner") as pipeline:
        pipeline | beam.Create([*pairs, broken]) | WriteJournal(where)
    files = find_journals(f"{tmp_path}/job", Stores())
    assert files and all(name.startswith(f"{tmp_path}/job/run=1/") for name in files)
    Path(files[0]).write_text(Path(files[0]).read_text() + '{"torn": \n[]\nnot JSON\n')
    reels = [Reel((span(0, mixed),)), Reel((span(1, mixed),))]
    later = Journal(f"{tmp_path}/job/run=2", (*files, f"{tmp_path}/job/run=1/gone.jsonl"))
    with Pipeline(runner="FnApiRunner") as pipeline:
        known = pipeline | beam.Create(reels) | SkipJournaled(later)
        assert_that(known.reels, equal_to(reels[1:]), label="reels")
        assert_that(known.outcomes, equal_to(pairs[:1]), label="outcomes")
        assert_that(known.transcripts, equal_to(pairs[1:]), label="transcripts")


def test_the_last_entries_do_not_wait_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "FLUSH_S", 0.05)
    writer = _WriteJournal(Journal(f"{tmp_path}/job/run=1"))
    writer.setup()
    mixed = track()
    writer.process((mixed, transcript(0, 0, 1000)))
    for _ in range(200):
        if find_journals(f"{tmp_path}/job", Stores()):
            break
        time.sleep(0.05)
    writer.teardown()
    assert len(find_journals(f"{tmp_path}/job", Stores())) == 1
