"""Conservation: what was planned is held against what came, and a failure is never silence."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that
from hypothesis import given
from hypothesis import strategies as st

from transforms.join import JoinTranscripts, fail_recording, join_track
from transforms.records import (
    FAILED,
    OK,
    PARTIAL,
    SILENT,
    Failure,
    LedgerEntry,
    Recording,
    SpanOutcome,
    TimedWord,
    Track,
    Transcript,
)


def track(identity: str = "r", num_spans: int = 2, channel: int | None = None) -> Track:
    recording = Recording(identity, f"{identity}.wav")
    return Track(recording, channel, 16_000, 2, 160_000, 0, 160_000, "f", num_spans)


def transcript(span: int, segment: int, words: Sequence[str] = ("hama",)) -> Transcript:
    start = 100.0 * span + segment
    timed = tuple(TimedWord(word, start, start + 0.5, 0.9) for word in words)
    return Transcript((span, 16_000 * segment), start, start + 1, 16_000, timed)


def outcome(span: int, segments: int) -> SpanOutcome:
    """What a span of so many `transcript`s was to become."""
    return SpanOutcome(span, 16_000 * segments, 16_000)


def failure(stage: str = "decode", message: str = "broken", channel: int | None = None) -> Failure:
    return Failure(Recording("r", "r.wav"), channel, stage, "TruncatedAudioError", message)


def test_all_that_was_planned_came() -> None:
    entry = join_track(
        track(),
        [outcome(1, 1), outcome(0, 2)],
        [transcript(1, 0), transcript(0, 1), transcript(0, 0)],
        [],
    )
    assert entry.status == OK
    assert entry.failure is None
    assert entry.sound_s == 3.0
    assert [each.order for each in entry.transcripts] == [
        (0, 0),
        (0, 16_000),
        (1, 0),
    ]
    assert (entry.recording, entry.track) == (track().recording, track())


@pytest.mark.parametrize("segments", [0, 2])
def test_nothing_said_is_silent(segments: int) -> None:
    outcomes = [outcome(0, 0), outcome(1, segments)]
    wordless = [transcript(1, index, words=()) for index in range(segments)]
    entry = join_track(track(), outcomes, wordless, [])
    assert (entry.status, entry.failure) == (SILENT, None)


def test_one_word_is_enough_for_ok() -> None:
    outcomes = [outcome(0, 1), outcome(1, 1)]
    entry = join_track(track(), outcomes, [transcript(0, 0, ()), transcript(1, 0)], [])
    assert entry.status == OK


@given(st.data())
def test_whatever_is_lost_is_a_failure(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    outcomes = [outcome(i, count) for i, count in enumerate(counts)]
    transcripts = [transcript(i, j) for i, count in enumerate(counts) for j in range(count)]
    lost_spans = data.draw(st.sets(st.sampled_from(range(len(counts)))))
    lost = data.draw(st.sets(st.sampled_from(transcripts))) if transcripts else set()
    came = [each for each in transcripts if each not in lost]
    entry = join_track(
        track(num_spans=len(counts)),
        [each for each in outcomes if each.span_index not in lost_spans],
        data.draw(st.permutations(came)),
        [],
    )
    assert list(entry.transcripts) == came
    if lost or lost_spans:
        assert entry.status == (PARTIAL if came else FAILED)
        assert entry.failure is not None
        assert entry.failure.error_type == "IncompleteError"
        assert entry.failure.stage == "join"
        assert "r.wav" in entry.failure.message
    else:
        assert entry.status == (OK if transcripts else SILENT)
        assert entry.failure is None


@pytest.mark.parametrize(
    ("same", "noted"),
    [((0, 0), 0), ((0, None), None), ((0, 1), None), ((None, None), None), ((0,), None)],
)
def test_a_channel_equals_another_if_every_span_does(
    same: tuple[int | None, ...], noted: int | None
) -> None:
    outcomes = [SpanOutcome(index, 0, 16_000, channel) for index, channel in enumerate(same)]
    assert join_track(track(channel=2), outcomes, [], []).same_as_channel == noted


def test_the_duration_is_what_decoding_found() -> None:
    header = join_track(track(), [SpanOutcome(0, 0, 16_000), SpanOutcome(1, 0, 16_000)], [], [])
    assert header.duration_s == 10.0
    ends = [SpanOutcome(1, 0, 16_000, found_samples=152_000), SpanOutcome(0, 0, 16_000)]
    assert join_track(track(), ends, [], []).duration_s == 9.5


def test_a_break_before_the_last_span_is_not_the_end() -> None:
    outcomes = [SpanOutcome(0, 0, 16_000, found_samples=70_000), SpanOutcome(1, 0, 16_000)]
    assert join_track(track(), outcomes, [], [failure()]).duration_s == 10.0
    assert join_track(track(), outcomes[:1], [], [failure()]).duration_s == 70_000 / 16_000
    assert join_track(track(), [], [], [failure()]).duration_s == 10.0


def test_a_segment_that_came_twice_does_not_make_up_for_one_that_was_lost() -> None:
    outcomes = [outcome(0, 2)]
    twice = [transcript(0, 0), transcript(0, 0)]
    entry = join_track(track(num_spans=1), outcomes, twice, [])
    assert entry.status == PARTIAL
    assert entry.failure is not None
    assert entry.failure.error_type == "IncompleteError"


def test_segments_of_one_span_do_not_make_up_for_another() -> None:
    outcomes = [outcome(0, 1), outcome(1, 1)]
    entry = join_track(track(), outcomes, [transcript(0, 0), transcript(0, 1)], [])
    assert entry.status == PARTIAL


@pytest.mark.parametrize("words", [(), ("hama",)])
def test_a_failure_is_never_silence(words: tuple[str, ...]) -> None:
    outcomes = [outcome(0, 1), outcome(1, 0)]
    entry = join_track(track(), outcomes, [transcript(0, 0, words)], [failure()])
    assert entry.status == PARTIAL
    assert entry.failure == failure()


def test_a_failure_without_any_transcript_is_failed() -> None:
    silent = [outcome(0, 0), outcome(1, 0)]
    for outcomes in ([], silent[:1], silent):
        entry = join_track(track(), outcomes, [], [failure()])
        assert (entry.status, entry.failure) == (FAILED, failure())


@given(st.permutations([failure("recognize", "a"), failure("decode", "b"), failure("decode", "c")]))
def test_the_failure_that_is_told_does_not_depend_on_arrival(faults: list[Failure]) -> None:
    entry = join_track(track(), [], [], faults)
    assert entry.failure == failure("decode", "b")


def test_a_recording_that_was_never_planned() -> None:
    planned = failure("plan", "r.wav does not exist")
    entry = join_track(None, [], [], [planned])
    assert entry == fail_recording(planned)
    assert entry == LedgerEntry(planned.recording, None, None, FAILED, (), 0.0, planned)


def test_neither_track_nor_failure_is_a_broken_contract() -> None:
    with pytest.raises(ValueError, match="needs a track or a failure"):
        join_track(None, [], [transcript(0, 0)], [])


def test_every_key_is_joined_once() -> None:
    tracks = [
        track("ok", 1),
        track("silent", 1),
        track("lost", 2),
        track("each", 1, channel=0),
        track("each", 1, channel=1),
    ]
    outcomes = [
        (tracks[0], outcome(0, 2)),
        (tracks[1], outcome(0, 0)),
        (tracks[2], outcome(1, 0)),
        (tracks[3], outcome(0, 1)),
    ]
    transcripts = [
        (tracks[0], transcript(0, 1)),
        (tracks[0], transcript(0, 0)),
        (tracks[3], transcript(0, 0)),
    ]
    failures = [
        Failure(Recording("missing", "missing.wav"), None, "plan", "UnreadableAudioError", "gone"),
        Failure(tracks[4].recording, 1, "decode", "CorruptAudioError", "NaN"),
    ]

    def check(entries: list[LedgerEntry]) -> None:
        statuses = sorted(
            (entry.recording.id, entry.channel or 0, entry.status) for entry in entries
        )
        expected = [
            ("each", 0, OK),
            ("each", 1, FAILED),
            ("lost", 0, FAILED),
            ("missing", 0, FAILED),
            ("ok", 0, OK),
            ("silent", 0, SILENT),
        ]
        if statuses != expected:
            raise AssertionError(statuses)

    with Pipeline(runner="FnApiRunner") as pipeline:
        parts = {
            "tracks": pipeline | "Tracks" >> beam.Create(tracks),
            "outcomes": pipeline | "Outcomes" >> beam.Create(outcomes),
            "transcripts": pipeline | "Transcripts" >> beam.Create(transcripts),
            "failures": pipeline | "Failures" >> beam.Create(failures),
        }
        assert_that(parts | JoinTranscripts(), check)
