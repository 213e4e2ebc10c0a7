"""Recordings into spans by their headers alone, and spans into waveforms at the model's rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import TaggedOutput
from numpy.typing import NDArray

from transforms import tally
from transforms.audio_file import length_tolerance, missing_samples, open_audio, read_frames
from transforms.errors import (
    CorruptAudioError,
    EmptyAudioError,
    RecordingError,
    TooShortAudioError,
    TruncatedAudioError,
    UnreadableAudioError,
    UnsupportedAudioError,
    UnsupportedLanguageError,
    failure_of,
)
from transforms.fingerprint import current_fingerprint
from transforms.quiet import quietest_sample
from transforms.records import EACH, MIX, Recording, Span, Track, Waveform
from transforms.resample import grid_samples, resample
from transforms.store import Stores

LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 768_000
MOST_CHANNELS = 256
RESAMPLER_CONTEXT_S = 0.05


@dataclass(frozen=True)
class AudioPlan:
    """What the model can hear, and how tracks are cut into spans.

    `language` is the model's, as a primary subtag of BCP 47. `search_s` bounds the move of a span's
    edge to quiet; waveforms hold `context_s` of audio beyond the edges that have a neighbour.
    """

    language: str
    model_rate_hz: int
    shortest_s: float
    span_s: float = 300.0
    search_s: float = 2.0
    context_s: float = 0.0
    stores: Stores = field(default_factory=Stores)

    def __post_init__(self) -> None:
        if not 0 < 2 * self.search_s <= self.span_s:
            raise ValueError(f"search_s is {self.search_s}; a span must hold it twice")


def plan_tracks(recording: Recording, plan: AudioPlan) -> list[Track]:
    """The tracks of a recording, from its header alone: one, or one a channel for `"each"`.

    Raises a `RecordingError` saying what is wrong with the file or with what was asked of it.
    """
    language = recording.language
    if language is not None and language.replace("_", "-").split("-")[0].lower() != plan.language:
        raise UnsupportedLanguageError(
            f"{recording.uri} is in language {language!r}; the model hears {plan.language!r}"
        )
    with open_audio(recording.uri, plan.stores) as (audio, fingerprint):
        rate_hz, num_channels, num_samples = audio.samplerate, audio.channels, audio.frames
        missing = missing_samples(audio)
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise UnsupportedAudioError(
            f"{recording.uri} claims a sample rate of {rate_hz} Hz; "
            f"{LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz can be read"
        )
    if not 1 <= num_channels <= MOST_CHANNELS:
        raise UnsupportedAudioError(f"{recording.uri} claims {num_channels} channels")
    if num_samples <= 0:
        raise EmptyAudioError(f"{recording.uri} holds no samples")

    grid = grid_samples(rate_hz, plan.model_rate_hz)
    start = math.floor(recording.offset_s * rate_hz / grid) * grid
    end = num_samples + missing
    if recording.duration_s is not None:
        end = min(end, round((recording.offset_s + recording.duration_s) * rate_hz))
    missing = max(0, end - num_samples)
    end -= missing
    if (end - start) / rate_hz < plan.shortest_s:
        raise TooShortAudioError(
            f"{recording.uri} lasts {num_samples / rate_hz:.3f} s, of which "
            f"{max(0, end - start) / rate_hz:.3f} s were asked for; "
            f"the model needs {plan.shortest_s:.3f} s"
        )
    return [
        Track(
            recording=recording,
            channel=channel,
            sample_rate_hz=rate_hz,
            num_channels=num_channels,
            num_samples=num_samples,
            start_sample=start,
            end_sample=end,
            fingerprint=fingerprint,
            num_spans=max(1, round((end - start) / rate_hz / plan.span_s)),
            missing_samples=missing,
        )
        for channel in _channels(recording, num_channels)
    ]


def plan_spans(track: Track, plan: AudioPlan) -> list[Span]:
    """Spans that tile the track, their inner edges on the grid that both rates share."""
    grid = grid_samples(track.sample_rate_hz, plan.model_rate_hz)
    length = track.end_sample - track.start_sample
    edges = [
        track.start_sample + length * index // track.num_spans // grid * grid
        for index in range(track.num_spans)
    ]
    edges.append(track.end_sample)
    return [
        Span((track,), index, edges[index], edges[index + 1]) for index in range(track.num_spans)
    ]


def decode_span(span: Span, plan: AudioPlan) -> tuple[Waveform, RecordingError | None]:
    """The samples of a span at the model's rate, and why there are fewer than the header says.

    Neighbouring spans find the same edge between them, so together they lose and repeat nothing;
    resampling has context on both sides, so a seam cannot be heard. Raises a `RecordingError`
    where nothing could be decoded.
    """
    track = span.tracks[0]
    rate_hz = track.sample_rate_hz
    grid = grid_samples(rate_hz, plan.model_rate_hz)
    reach = math.ceil(plan.search_s * rate_hz / grid) * grid
    around = math.ceil(plan.context_s * rate_hz / grid) * grid
    context = math.ceil(RESAMPLER_CONTEXT_S * rate_hz / grid) * grid + around
    first = max(track.start_sample, span.start_sample - reach - context)
    last = min(track.end_sample, span.end_sample + reach + context)
    samples, truncated = _read_mono(track, first, last, plan.stores)

    def edge(nominal: int) -> int:
        nearby = samples[nominal - reach - first : nominal + reach - first]
        return nominal - reach + quietest_sample(nearby, rate_hz, step_samples=grid)

    start = span.start_sample if span.index == 0 else edge(span.start_sample)
    end = first + len(samples)
    # The next span reads the same samples up to the break, and so finds the same edge before it.
    if span.index + 1 < track.num_spans and end > span.end_sample - reach:
        end = edge(span.end_sample)
    resampled = resample(samples, rate_hz, plan.model_rate_hz)
    scale = grid_samples(plan.model_rate_hz, rate_hz)
    heard_start = max(track.start_sample, start - around)
    heard_end = min(first + len(samples), end + around)
    left = (heard_start - first) // grid * scale
    # Rounded down: a last sample that begins before the end of the file must not last beyond it.
    right = (heard_end - first) * plan.model_rate_hz // rate_hz
    if truncated is None and track.missing_samples and span.index + 1 == track.num_spans:
        whole_s = (track.num_samples + track.missing_samples) / rate_hz
        truncated = TruncatedAudioError(
            f"{track.recording.uri} breaks off at {track.duration_s:.3f} s; "
            f"its header promises {whole_s:.3f} s"
        )
    return (
        Waveform(
            span.tracks,
            span.index,
            heard_start // grid * scale,
            plan.model_rate_hz,
            resampled[left:right],
            core_start_samples=start // grid * scale if heard_start < start else None,
            core_end_samples=end // grid * scale if end < heard_end else None,
        ),
        truncated,
    )


class PlanSpans(beam.PTransform):
    """Recordings into spans. Outputs `spans`, `tracks` and `failures`."""

    def __init__(self, plan: AudioPlan) -> None:
        super().__init__()
        self.plan = plan

    def expand(self, recordings: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        return recordings | beam.ParDo(_PlanSpans(self.plan)).with_outputs(
            "tracks", "failures", main="spans"
        )


class _PlanSpans(beam.DoFn):
    def __init__(self, plan: AudioPlan) -> None:
        self.plan = plan

    def process(self, recording: Recording) -> Iterator[Span | TaggedOutput]:
        try:
            tracks = plan_tracks(recording, self.plan)
        except RecordingError as error:
            fingerprint = current_fingerprint(recording, self.plan.stores)
            failure = failure_of(error, recording, None, "plan", fingerprint)
            yield TaggedOutput("failures", failure)
            return
        for track in tracks:
            tally.planned((track.end_sample - track.start_sample) / track.sample_rate_hz)
            yield TaggedOutput("tracks", track)
            yield from plan_spans(track, self.plan)


class DecodeSpans(beam.PTransform):
    """Spans into waveforms at the model's rate. Outputs `waveforms` and `failures`."""

    def __init__(self, plan: AudioPlan) -> None:
        super().__init__()
        self.plan = plan

    def expand(self, spans: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        return spans | beam.ParDo(_DecodeSpans(self.plan)).with_outputs(
            "failures", main="waveforms"
        )


class _DecodeSpans(beam.DoFn):
    def __init__(self, plan: AudioPlan) -> None:
        self.plan = plan

    def process(self, span: Span) -> Iterator[Waveform | TaggedOutput]:
        try:
            waveform, error = decode_span(span, self.plan)
        except RecordingError as unreadable:
            yield from _span_failures(unreadable, span)
            return
        yield waveform
        if error is not None:
            yield from _span_failures(error, span)


def _span_failures(error: RecordingError, span: Span) -> Iterator[TaggedOutput]:
    for track in span.tracks:
        yield TaggedOutput("failures", failure_of(error, track.recording, track.channel, "decode"))


def _channels(recording: Recording, num_channels: int) -> list[int | None]:
    match recording.channel:
        case str(word) if word == MIX:
            return [None]
        case str(word) if word == EACH:
            return list(range(num_channels))
        case int(number) if 0 <= number < num_channels:
            return [number]
        case other:
            raise UnsupportedAudioError(
                f"{recording.uri} has {num_channels} channel(s), numbered from 0; "
                f"{other!r} is none of them"
            )


def _read_mono(
    track: Track, first: int, last: int, stores: Stores
) -> tuple[NDArray[np.float32], TruncatedAudioError | None]:
    uri = track.recording.uri
    error: TruncatedAudioError | None = None
    with open_audio(uri, stores) as (audio, fingerprint):
        if fingerprint != track.fingerprint:
            raise UnreadableAudioError(f"{uri} changed while it was being transcribed")
        frames = read_frames(audio, first, last)
        tolerance = length_tolerance(audio) if last == track.num_samples else 0
    if len(frames) + tolerance < last - first:
        broken_s = (first + len(frames)) / track.sample_rate_hz
        error = TruncatedAudioError(
            f"{uri} breaks off at {broken_s:.3f} s of {track.duration_s:.3f} s"
        )
        if len(frames) == 0:
            raise error
    samples = frames.mean(axis=1) if track.channel is None else frames[:, track.channel]
    if not np.isfinite(samples).all():
        raise CorruptAudioError(f"{uri} holds samples that are not finite numbers")
    return np.ascontiguousarray(samples), error
