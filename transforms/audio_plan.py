"""Recordings into tracks, spans and reels, without decoding anything."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from transforms.amplitude import NONE
from transforms.audio_file import open_audio
from transforms.errors import (
    EmptyAudioError,
    TooShortAudioError,
    UnsupportedAudioError,
    UnsupportedLanguageError,
)
from transforms.reader import AudioHeader
from transforms.records import EACH, MIX, Recording, Reel, Span, Track
from transforms.resample import grid_samples
from transforms.store import Stores

LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 768_000
MOST_CHANNELS = 256
MOST_VALUES_A_SECOND = 2**24
MOST_VALUES_A_SPAN = 2**25
LONGEST_S = 31 * 24 * 3600
RESAMPLER_CONTEXT_S = 0.05
UNDETERMINED = "und"


@dataclass(frozen=True)
class AudioPlan:
    """What the model can hear, and how tracks are cut into spans.

    `language` is the model's, as a primary subtag of BCP 47; `und` takes any. `search_s` bounds the
    move of a span's edge to quiet; waveforms hold `context_s` of audio beyond the edges that have
    a neighbour. Reading a header, or a span, that takes longer than `deadline_s` is given up.
    `normalisation` is one of `amplitude.NORMALISATIONS`.
    """

    language: str
    model_rate_hz: int
    shortest_s: float
    span_s: float = 300.0
    search_s: float = 2.0
    context_s: float = 0.0
    normalisation: str = NONE
    deadline_s: float = 600.0
    stores: Stores = field(default_factory=Stores)

    def __post_init__(self) -> None:
        if not 0 < 2 * self.search_s <= self.span_s:
            raise ValueError(f"search_s is {self.search_s}; a span must hold it twice")

    def span_samples(self, rate_hz: int, num_channels: int) -> int:
        """The length of a span, shorter where many channels at a high rate would fill memory."""
        fitting = MOST_VALUES_A_SPAN // num_channels
        shortest = math.ceil(2 * self.search_s * rate_hz)
        return max(shortest, min(fitting, round(self.span_s * rate_hz)))

    def reach_samples(self, rate_hz: int) -> int:
        """How far an edge may move, in whole steps of the grid."""
        return self._on_grid(self.search_s, rate_hz)

    def around_samples(self, rate_hz: int) -> int:
        """What a waveform holds beyond an edge, in whole steps of the grid."""
        return self._on_grid(self.context_s, rate_hz)

    def margin_samples(self, rate_hz: int) -> int:
        """What must be read beyond a nominal edge: its reach, what is held, what resamples it."""
        resampler = self._on_grid(RESAMPLER_CONTEXT_S, rate_hz)
        return self.reach_samples(rate_hz) + self.around_samples(rate_hz) + resampler

    def _on_grid(self, seconds: float, rate_hz: int) -> int:
        grid = grid_samples(rate_hz, self.model_rate_hz)
        return math.ceil(seconds * rate_hz / grid) * grid


def plan_tracks(recording: Recording, plan: AudioPlan) -> list[Track]:
    """The tracks of a recording, without decoding it: one, or one a channel for `"each"`.

    Raises a `RecordingError` saying what is wrong with the file or with what was asked of it.
    """
    language = recording.language
    if (
        language is not None
        and plan.language != UNDETERMINED
        and language.replace("_", "-").split("-")[0].lower() != plan.language
    ):
        raise UnsupportedLanguageError(
            f"{recording.uri} is in language {language!r}; the model hears {plan.language!r}"
        )
    with open_audio(recording.uri, plan.stores) as file:
        header, fingerprint = file.header(), file.fingerprint
    _check_header(recording.uri, header)
    rate_hz, num_samples = header.sample_rate_hz, header.num_samples

    grid = grid_samples(rate_hz, plan.model_rate_hz)
    start = math.floor(recording.offset_s * rate_hz / grid) * grid
    end = num_samples + header.missing_samples
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
    span_samples = plan.span_samples(rate_hz, header.num_channels)
    return [
        Track(
            recording=recording,
            channel=channel,
            sample_rate_hz=rate_hz,
            num_channels=header.num_channels,
            num_samples=num_samples,
            start_sample=start,
            end_sample=end,
            fingerprint=fingerprint,
            num_spans=max(1, round((end - start) / span_samples)),
            missing_samples=missing,
            seekable=header.seekable,
            container=header.container,
            codec=header.codec,
        )
        for channel in _channels(recording, header.num_channels)
    ]


def plan_spans(tracks: list[Track], plan: AudioPlan) -> list[Span]:
    """Spans that tile the tracks of one file, their inner edges on the grid of both rates."""
    track = tracks[0]
    grid = grid_samples(track.sample_rate_hz, plan.model_rate_hz)
    length = track.end_sample - track.start_sample
    edges = [
        track.start_sample + length * index // track.num_spans // grid * grid
        for index in range(track.num_spans)
    ]
    edges.append(track.end_sample)
    return [
        Span(tuple(tracks), index, edges[index], edges[index + 1])
        for index in range(track.num_spans)
    ]


def plan_reels(tracks: list[Track], plan: AudioPlan) -> list[Reel]:
    """Every span of the tracks of one file, on as many reels as workers can share."""
    spans = plan_spans(tracks, plan)
    if tracks[0].seekable:
        return [Reel((span,)) for span in spans]
    return [Reel(tuple(spans))]


def _check_header(uri: str, header: AudioHeader) -> None:
    rate_hz, num_channels = header.sample_rate_hz, header.num_channels
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise UnsupportedAudioError(
            f"{uri} claims a sample rate of {rate_hz} Hz; "
            f"{LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz can be read"
        )
    if not 1 <= num_channels <= MOST_CHANNELS or rate_hz * num_channels > MOST_VALUES_A_SECOND:
        raise UnsupportedAudioError(f"{uri} claims {num_channels} channels at {rate_hz} Hz")
    if header.num_samples <= 0:
        raise EmptyAudioError(f"{uri} holds no samples")
    if header.num_samples > LONGEST_S * rate_hz:
        raise UnsupportedAudioError(
            f"{uri} claims to last {header.num_samples / rate_hz / 3600:.0f} hours; "
            f"{LONGEST_S // 3600} can be read"
        )


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
