"""Transcripts, outcomes and failures joined into one ledger entry a track."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import apache_beam as beam

from transforms.errors import IncompleteError, failure_of
from transforms.records import (
    FAILED,
    OK,
    PARTIAL,
    SILENT,
    Failure,
    LedgerEntry,
    RecordingKey,
    SpanOutcome,
    Track,
    Transcript,
)
from transforms.redact import redacted

_log = logging.getLogger("beamscribe")


def join_track(
    track: Track | None,
    outcomes: Iterable[SpanOutcome],
    transcripts: Iterable[Transcript],
    failures: Iterable[Failure],
) -> LedgerEntry:
    """The entry of one track, its transcripts in order of time.

    What was planned is held against what came: sound of a span that neither was transcribed nor
    failed is a failure of its own, never silence. Raises `ValueError` where there is neither a
    track nor a failure.
    """
    spans = {outcome.span_index: outcome for outcome in outcomes}
    ordered = tuple(sorted(transcripts, key=lambda transcript: transcript.order))
    faults = sorted(failures, key=lambda failure: (failure.stage, failure.message))
    if track is None:
        if not faults:
            raise ValueError("a ledger entry needs a track or a failure")
        return fail_recording(faults[0])

    if not faults:
        heard = Counter[int]()
        for transcript in ordered:
            heard[transcript.order[0]] += transcript.num_samples
        planned = {index: spans[index].sound_samples for index in sorted(spans)}
        if (
            len(spans) != track.num_spans
            or len({transcript.order for transcript in ordered}) != len(ordered)
            or any(heard[index] != planned.get(index, 0) for index in {*heard, *planned})
        ):
            lost = IncompleteError(
                f"{track.recording.uri}: {len(spans)} of {track.num_spans} spans and "
                f"{heard.total()} of {sum(planned.values())} samples with sound arrived, "
                f"in {len(ordered)} transcripts"
            )
            faults.append(failure_of(lost, track.recording, track.channel, "join"))
    spoken = any(transcript.words for transcript in ordered)
    status = (PARTIAL if ordered else FAILED) if faults else OK if spoken else SILENT
    return LedgerEntry(
        recording=track.recording,
        track=track,
        channel=track.channel,
        status=status,
        transcripts=ordered,
        sound_s=sum(outcome.sound_samples / outcome.sample_rate_hz for outcome in spans.values()),
        failure=faults[0] if faults else None,
        found_duration_s=_found_duration_s(track, spans),
        same_as_channel=_same_as_channel(track, spans),
    )


def _found_duration_s(track: Track, spans: Mapping[int, SpanOutcome]) -> float | None:
    """The last span knows where the file ends; one before it may only know where it is broken."""
    found = spans[max(spans)].found_samples if spans else None
    return None if found is None else found / track.sample_rate_hz


def _same_as_channel(track: Track, spans: Mapping[int, SpanOutcome]) -> int | None:
    """The one channel that every span of the track was the same as."""
    same = {outcome.same_as_channel for outcome in spans.values()}
    return same.pop() if len(same) == 1 and len(spans) == track.num_spans else None


def fail_recording(failure: Failure) -> LedgerEntry:
    """The entry of a recording of which nothing but a failure is known."""
    return LedgerEntry(failure.recording, None, failure.channel, FAILED, (), 0.0, failure)


def logged(entry: LedgerEntry) -> LedgerEntry:
    """The entry, once the log names it if some of the recording has no transcript."""
    failure = entry.failure
    if failure is not None:
        _log.warning(
            "%s: %s: %s",
            entry.status,
            failure.error_type,
            failure.message,
            extra={
                "recording_id": entry.recording.id,
                "audio_uri": redacted(entry.recording.uri),
                "channel": entry.channel,
                "status": entry.status,
                "stage": failure.stage,
                "error_type": failure.error_type,
            },
        )
    return entry


Piece = SpanOutcome | Transcript


class JoinTranscripts(beam.PTransform):
    """A mapping of tracks, failures, and outcomes and transcripts by track, into ledger entries."""

    def expand(self, parts: Mapping[str, beam.PCollection]) -> beam.PCollection:
        return (
            {
                "tracks": parts["tracks"] | "Key tracks" >> beam.Map(_key_track),
                "outcomes": parts["outcomes"] | "Key outcomes" >> beam.Map(_key_pair),
                "transcripts": parts["transcripts"] | "Key transcripts" >> beam.Map(_key_pair),
                "failures": parts["failures"] | "Key failures" >> beam.Map(_key_failure),
            }
            | beam.CoGroupByKey()
            | "Join" >> beam.FlatMap(_join)
        )


def _key_track(track: Track) -> tuple[RecordingKey, Track]:
    return track.key, track


def _key_pair(pair: tuple[Track, Piece]) -> tuple[RecordingKey, Piece]:
    track, piece = pair
    return track.key, piece


def _key_failure(failure: Failure) -> tuple[RecordingKey, Failure]:
    return failure.key, failure


def _join(
    element: tuple[RecordingKey, Mapping[str, Iterable[object]]],
) -> Iterator[LedgerEntry]:
    parts = element[1]
    tracks: list[Track] = list(parts["tracks"])  # type: ignore[arg-type]
    yield join_track(
        tracks[0] if tracks else None,
        parts["outcomes"],  # type: ignore[arg-type]
        parts["transcripts"],  # type: ignore[arg-type]
        parts["failures"],  # type: ignore[arg-type]
    )
