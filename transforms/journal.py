"""What has been recognised of a run that is not committed yet, so that a kill costs little.

Workers write what they finish to files in `_journal/<job>/run=<run_id>/`, each whole, one every
`FLUSH_S` seconds at most; `<job>` stands for model and configuration. The next run of the same job
reads them, passes over the spans of which all was written, and takes their words from there.
Since the same audio gives the same words whoever hears it, it does not matter which of several
workers wrote them, nor how often.

Lines are JSON. A span of a track is complete where its outcome is there and its transcripts last as
long together as the outcome says.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from transforms.commit import write_whole
from transforms.errors import OutputError
from transforms.fingerprint import audio_fingerprint
from transforms.records import (
    Reel,
    Span,
    SpanOutcome,
    TimedWord,
    Track,
    Transcript,
)
from transforms.store import Stores

FLUSH_S = 15.0

Piece = SpanOutcome | Transcript


@dataclass(frozen=True)
class Journal:
    """Where a run writes its journal, and the files of earlier runs that it reads."""

    directory: str
    earlier: tuple[str, ...] = ()
    stores: Stores = field(default_factory=Stores)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line: part of what became of a track, whose audio had this fingerprint."""

    recording_id: str
    channel: int | None
    fingerprint: str
    num_spans: int
    piece: Piece


def entry_of(track: Track, piece: Piece) -> Entry:
    fingerprint = audio_fingerprint(track.recording, track.fingerprint)
    return Entry(track.recording.id, track.channel, fingerprint, track.num_spans, piece)


def write_entry(entry: Entry) -> str:
    kind = "outcome" if isinstance(entry.piece, SpanOutcome) else "transcript"
    fields = {**asdict(entry), kind: asdict(entry.piece)}
    del fields["piece"]
    return json.dumps(fields, ensure_ascii=False)


def read_entry(line: str) -> Entry:
    """Raises `ValueError`, `KeyError` or `TypeError` for a line that `write_entry` did not make."""
    fields: dict[str, Any] = json.loads(line)
    piece: Piece
    if "outcome" in fields:
        piece = SpanOutcome(**fields.pop("outcome"))
    else:
        written = fields.pop("transcript")
        words = tuple(TimedWord(**word) for word in written["words"])
        piece = Transcript(**{**written, "order": tuple(written["order"]), "words": words})
    return Entry(**fields, piece=piece)


def find_journals(folder: str, stores: Stores) -> tuple[str, ...]:
    """The files that earlier runs of a job left in its folder. Raises `OutputError`."""
    try:
        filesystem, path = stores.locate(folder)
        if not filesystem.exists(path):
            return ()
        names = [name for name in filesystem.find(path) if name.endswith(".jsonl")]
        return tuple(f"{folder}/{name[len(path) :].lstrip('/')}" for name in sorted(names))
    except OSError as error:
        raise OutputError(f"cannot read the journal {folder}: {error}") from error


def recover(
    reels: Iterable[Reel], entries: Iterable[Entry]
) -> tuple[list[Reel], list[tuple[Track, Piece]]]:
    """What is left to decode of one recording's reels, and what is known of the rest.

    A span is known where it is complete for each of its tracks.
    """
    outcomes: dict[tuple[int | None, int], tuple[int, SpanOutcome]] = {}
    transcripts: dict[tuple[int | None, int], dict[tuple[int, int], Transcript]] = {}
    for entry in entries:
        if isinstance(entry.piece, SpanOutcome):
            outcomes[entry.channel, entry.piece.span_index] = (entry.num_spans, entry.piece)
        else:
            place = (entry.channel, entry.piece.order[0])
            transcripts.setdefault(place, {})[entry.piece.order] = entry.piece

    def pieces(track: Track, span: Span) -> list[Piece] | None:
        place = (track.channel, span.index)
        num_spans, outcome = outcomes.get(place, (0, None))
        found = list(transcripts.get(place, {}).values())
        if outcome is None or num_spans != track.num_spans:
            return None
        if sum(each.num_samples for each in found) != outcome.sound_samples:
            return None
        return [outcome, *found]

    left: list[Reel] = []
    known: list[tuple[Track, Piece]] = []
    for reel in reels:
        skipped = set()
        for span in reel.spans:
            of_tracks = [(track, pieces(track, span)) for track in span.tracks]
            if all(found is not None for _, found in of_tracks):
                skipped.add(span.index)
                known += [(track, piece) for track, found in of_tracks for piece in found or ()]
        if len(skipped) < len(reel.spans):
            left.append(replace(reel, skipped=frozenset(skipped)))
    return left, known


class WriteJournal(beam.PTransform):
    """`(Track, SpanOutcome)` or `(Track, Transcript)` pairs into the journal, as they come."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self.journal = journal

    def expand(self, pairs: beam.PCollection) -> beam.PCollection:
        return pairs | "Write" >> beam.ParDo(_WriteJournal(self.journal))


class _WriteJournal(beam.DoFn):
    """A thread of its own writes, so that the last entries do not wait for others."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def setup(self) -> None:
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._failure: OutputError | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._write_now_and_then, daemon=True)
        self._thread.start()

    def process(self, pair: tuple[Track, Piece]) -> Iterable[None]:
        track, piece = pair
        if isinstance(piece, SpanOutcome) and not piece.whole:
            return ()
        with self._lock:
            self._lines.append(write_entry(entry_of(track, piece)))
        self._check()
        return ()

    def finish_bundle(self) -> None:
        self._flush()
        self._check()

    def teardown(self) -> None:
        self._closed.set()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _write_now_and_then(self) -> None:
        while not self._closed.wait(FLUSH_S):
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        if not lines:
            return
        uri = f"{self.journal.directory}/{uuid.uuid4().hex}.jsonl"
        try:
            write_whole(uri, "\n".join(lines) + "\n", self.journal.stores)
        except OSError as error:
            self._failure = OutputError(f"cannot write {uri}: {error}")


class SkipJournaled(beam.PTransform):
    """Reels into what is left of them.

    Outputs `reels`, and what the journal knows of the rest as `outcomes` and `transcripts`.
    """

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self.journal = journal

    def expand(self, reels: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        entries = (
            reels.pipeline
            | "Journal files" >> beam.Create(self.journal.earlier)
            | "Spread files" >> beam.Reshuffle()
            | "Read journal" >> beam.FlatMap(_read_file, self.journal.stores)
        )
        keyed = reels | "Key reels" >> beam.Map(_key_reel)
        return (
            {"reels": keyed, "entries": entries}
            | beam.CoGroupByKey()
            | "Recover"
            >> beam.ParDo(_Recover()).with_outputs("outcomes", "transcripts", main="reels")
        )


class _Recover(beam.DoFn):
    def process(
        self, grouped: tuple[tuple[str, str], Mapping[str, Iterable[Any]]]
    ) -> Iterator[Reel | TaggedOutput]:
        left, known = recover(grouped[1]["reels"], grouped[1]["entries"])
        yield from left
        for track, piece in known:
            tag = "outcomes" if isinstance(piece, SpanOutcome) else "transcripts"
            yield TaggedOutput(tag, (track, piece))


def _key_reel(reel: Reel) -> tuple[tuple[str, str], Reel]:
    track = reel.spans[0].tracks[0]
    return (track.recording.id, audio_fingerprint(track.recording, track.fingerprint)), reel


def _read_file(uri: str, stores: Stores) -> Iterator[tuple[tuple[str, str], Entry]]:
    """Lines that cannot be read are work to be done again."""
    try:
        filesystem, path = stores.locate(uri)
        text = filesystem.cat_file(path).decode("utf-8")
    except FileNotFoundError:
        return  # another run of the job has just been committed
    for line in text.split("\n")[:-1]:
        try:
            entry = read_entry(line)
        except (ValueError, KeyError, TypeError):
            continue
        yield (entry.recording_id, entry.fingerprint), entry
