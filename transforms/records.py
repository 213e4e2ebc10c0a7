"""The nouns that travel between stages.

Positions are integer samples; a `_s` time is such a position divided once by its rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

import numpy as np
from numpy.typing import NDArray

MIX = "mix"
EACH = "each"

RecordingKey = NewType("RecordingKey", tuple[str, int])
"""Recording id and channel, -1 where channels are mixed: what a ledger row stands for."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One row of a manifest: what the user asks for.

    `channel` is `"mix"`, `"each"` or a channel's number; `offset_s` and `duration_s` limit the
    work to a stretch. `hotwords` are words and phrases that the decoder should expect. `metadata`
    are the manifest's other fields, as strings.
    """

    id: str
    uri: str
    channel: str | int = MIX
    offset_s: float = 0.0
    duration_s: float | None = None
    language: str | None = None
    reference: str | None = None
    hotwords: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Track:
    """One channel, or the mix (`channel` None), of an audio file that could be opened.

    `start_sample` and `end_sample` bound the asked stretch at the file's own rate;
    `missing_samples` of it are promised by the header and not there. A file is `seekable` where
    reading can begin anywhere, exactly and at little cost. `gain` is what its samples are
    multiplied with.
    """

    recording: Recording
    channel: int | None
    sample_rate_hz: int
    num_channels: int
    num_samples: int
    start_sample: int
    end_sample: int
    fingerprint: str
    num_spans: int
    missing_samples: int = 0
    seekable: bool = True
    container: str = ""
    codec: str = ""
    gain: float = 1.0

    @property
    def key(self) -> RecordingKey:
        return RecordingKey((self.recording.id, -1 if self.channel is None else self.channel))

    @property
    def duration_s(self) -> float:
        return self.num_samples / self.sample_rate_hz


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file that is decoded at once: `[start_sample, end_sample)` nominally.

    `tracks` are the file's channels that were asked for; they differ in nothing but `channel`. The
    true edges lie at the quietest point near the nominal ones, where both neighbours find it.
    """

    tracks: tuple[Track, ...]
    index: int
    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class Reel:
    """Consecutive spans that one worker decodes in one pass.

    A file that can be read from anywhere has one span a reel, so that workers share it; any other
    lies on one reel, so that nobody decodes it twice. `skipped` are indices of spans that are done.
    """

    spans: tuple[Span, ...]
    skipped: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """A decoded span at the model's rate: float32 mono, beginning `start_samples` into the file.

    `tracks` are those of the span that sound exactly like this: identical channels share one.
    `[core_start_samples, core_end_samples)` of the file is the span itself; what `samples` hold
    around it is context that the neighbouring spans own. None: there is no context on that side.
    `found_samples` is the length of the file, at its own rate, where decoding came to its end and
    found it elsewhere than the header says.
    """

    tracks: tuple[Track, ...]
    span_index: int
    start_samples: int
    sample_rate_hz: int
    samples: NDArray[np.float32]
    core_start_samples: int | None = None
    core_end_samples: int | None = None
    found_samples: int | None = None
    whole: bool = True

    @property
    def end_samples(self) -> int:
        return self.start_samples + len(self.samples)

    @property
    def core(self) -> tuple[int, int]:
        """The span's own bounds in samples of the file, whether or not there is context."""
        start, end = self.core_start_samples, self.core_end_samples
        return (
            self.start_samples if start is None else start,
            self.end_samples if end is None else end,
        )


@dataclass(frozen=True, slots=True)
class Passage:
    """Sound of a span that is read as one, however many segments the model needs to hear it.

    It owns `[start_samples, end_samples)` of the file: the words whose middle lies there. `index`
    counts within the span. `closes_tracks` marks the last of a track.
    """

    index: int
    num_segments: int
    start_samples: int
    end_samples: int
    closes_tracks: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """What the model hears at once. `start_samples` counts from the start of the file.

    `tracks` all get its transcript; `index` counts within the passage. Of its emission the frames
    `[kept_start, kept_end)` are read, `kept_end` None being its end; the others are context.
    """

    tracks: tuple[Track, ...]
    span_index: int
    passage: Passage
    index: int
    start_samples: int
    sample_rate_hz: int
    samples: NDArray[np.float32]
    kept_start: int = 0
    kept_end: int | None = None


@dataclass(frozen=True, slots=True)
class SpanOutcome:
    """How many samples of a span are to be read: its transcripts must last as long together.

    `same_as_channel` is the channel that sounds exactly like this one and was transcribed for it;
    `found_samples` and `whole` are the waveform's.
    """

    span_index: int
    sound_samples: int
    sample_rate_hz: int
    same_as_channel: int | None = None
    found_samples: int | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word in seconds from the start of the file; `confidence` in 0..1."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of a stretch of a track that lasts `num_samples` at the model's rate.

    `order` sorts a track's transcripts: the span's index, then the sample where the stretch begins.
    """

    order: tuple[int, int]
    start_s: float
    end_s: float
    num_samples: int
    words: tuple[TimedWord, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a recording, or a part of it, has no transcript; becomes part of its ledger row.

    `channel` is None where the fault came before channels were told apart; `fingerprint` is that of
    audio that is there and could not be opened.
    """

    recording: Recording
    channel: int | None
    stage: str
    error_type: str
    message: str
    fingerprint: str | None = None

    @property
    def key(self) -> RecordingKey:
        return RecordingKey((self.recording.id, -1 if self.channel is None else self.channel))


Batch = tuple[Segment, ...]
"""Segments that are recognised together, longest first."""


STATUSES = OK, SILENT, PARTIAL, FAILED = "ok", "silent", "partial", "failed"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What became of one track (or of a recording that never became one).

    `found_duration_s` is the file's where decoding found another than its header says.
    `same_as_channel` names the channel that this one equals from beginning to end.
    """

    recording: Recording
    track: Track | None
    channel: int | None
    status: str
    transcripts: tuple[Transcript, ...]
    sound_s: float
    failure: Failure | None
    found_duration_s: float | None = None
    same_as_channel: int | None = None

    @property
    def duration_s(self) -> float | None:
        """What is known best of how long the file is."""
        if self.found_duration_s is None and self.track is not None:
            return self.track.duration_s
        return self.found_duration_s
