"""Recordings into spans by their headers alone, and spans into waveforms at the model's rate."""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from transforms import tally
from transforms.audio_plan import AudioPlan, plan_reels
from transforms.errors import RecordingError, failure_of
from transforms.fingerprint import current_fingerprint
from transforms.reading import read_reel, read_tracks
from transforms.records import Recording, Reel, Track, Waveform


class PlanSpans(beam.PTransform):
    """Recordings into reels of spans. Outputs `reels`, `tracks` and `failures`."""

    def __init__(self, plan: AudioPlan) -> None:
        super().__init__()
        self.plan = plan

    def expand(self, recordings: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        return recordings | beam.ParDo(_PlanSpans(self.plan)).with_outputs(
            "tracks", "failures", main="reels"
        )


class _PlanSpans(beam.DoFn):
    def __init__(self, plan: AudioPlan) -> None:
        self.plan = plan

    @tally.timed_as("plan")
    def process(self, recording: Recording) -> Iterator[Reel | TaggedOutput]:
        try:
            tracks = read_tracks(recording, self.plan)
        except RecordingError as error:
            fingerprint = current_fingerprint(recording, self.plan.stores)
            failure = failure_of(error, recording, None, "plan", fingerprint)
            yield TaggedOutput("failures", failure)
            return
        for track in tracks:
            tally.planned((track.end_sample - track.start_sample) / track.sample_rate_hz)
            yield TaggedOutput("tracks", track)
        yield from plan_reels(tracks, self.plan)


class DecodeSpans(beam.PTransform):
    """Reels into waveforms at the model's rate. Outputs `waveforms` and `failures`."""

    def __init__(self, plan: AudioPlan) -> None:
        super().__init__()
        self.plan = plan

    def expand(self, reels: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        return reels | beam.ParDo(_DecodeSpans(self.plan)).with_outputs(
            "failures", main="waveforms"
        )


class _DecodeSpans(beam.DoFn):
    def __init__(self, plan: AudioPlan) -> None:
        self.plan = plan

    @tally.timed_as("decode")
    def process(self, reel: Reel) -> Iterator[Waveform | TaggedOutput]:
        """Waveform by waveform, so that no more than one span is in memory."""
        tracks = reel.spans[0].tracks
        try:
            for decoded in read_reel(reel, self.plan):
                # A failure goes first, so that nobody takes its span for whole.
                if decoded.error is not None:
                    yield from _failures(decoded.error, tracks)
                yield from decoded.waveforms
        except RecordingError as unreadable:
            yield from _failures(unreadable, tracks)


def _failures(error: RecordingError, tracks: tuple[Track, ...]) -> Iterator[TaggedOutput]:
    for track in tracks:
        yield TaggedOutput("failures", failure_of(error, track.recording, track.channel, "decode"))
