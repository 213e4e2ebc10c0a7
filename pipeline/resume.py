"""What a rerun may skip.

A recording is done where its committed rows were made from the same audio, by the same model, with
the same configuration of decoder and schema.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from pipeline.config import TranscriptionConfig
from pipeline.ledger import Commit, newest_rows
from transforms.fingerprint import audio_fingerprint, current_fingerprint
from transforms.records import EACH, FAILED, MIX, PARTIAL, Failure, Recording, Track
from transforms.store import Stores

COLUMNS = (
    *("recording_id", "channel", "status", "error_type", "num_channels"),
    *("audio_fingerprint", "model_fingerprint", "config_fingerprint"),
)
LOST_FOR_GOOD = frozenset({"TruncatedAudioError", "CorruptAudioError"})
"""Why a recording is partial for as long as its file stays as it is."""

STAT_THREADS = 32
MOST_AHEAD = 1024

Item = Recording | Failure


@dataclass(frozen=True, slots=True)
class Done:
    """The committed rows of one recording: `channels` is empty where it failed as a whole."""

    fingerprint: str | None
    channels: frozenset[int | None]
    num_channels: int | None
    failed: bool
    retriable: bool

    def covers(self, recording: Recording) -> bool:
        """Whether every channel that is asked for has a row."""
        if not self.channels:
            return True
        match recording.channel:
            case str(word) if word == MIX:
                return None in self.channels
            case str(word) if word == EACH:
                return self.num_channels is not None and self.channels >= set(
                    range(self.num_channels)
                )
            case number:
                return number in self.channels


@dataclass
class Skipped:
    """How many recordings were passed over, and how many of them are failures in the ledger."""

    recordings: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Resume:
    """Which recordings are done under one model and configuration.

    `retry_failed` takes up what failed, and what stayed partial for another reason than its file.
    """

    done: dict[str, Done]
    stores: Stores
    retry_failed: bool = False
    skipped: Skipped = field(default_factory=Skipped)

    def pending(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items that are still to be done, in order; `skipped` counts the others.

        Files of recordings that have rows are asked for their version, many at once; nothing is
        opened.
        """
        with ThreadPoolExecutor(STAT_THREADS) as threads:
            ahead: deque[tuple[Item, Future[bool] | bool]] = deque()
            source = iter(items)
            while True:
                for item in itertools.islice(source, MOST_AHEAD - len(ahead)):
                    known = _identity(item) in self.done
                    ahead.append((item, threads.submit(self._is_done, item) if known else False))
                if not ahead:
                    return
                item, done = ahead.popleft()
                if done if isinstance(done, bool) else done.result():
                    self.skipped.recordings += 1
                    self.skipped.failed += self.done[_identity(item)].failed
                else:
                    yield item

    def holds(self, track: Track) -> bool:
        """Whether one channel, or the mix, of a file that was opened is done."""
        row = self.done.get(track.recording.id)
        if row is None or (self.retry_failed and row.retriable):
            return False
        fingerprint = audio_fingerprint(track.recording, track.fingerprint)
        return row.covers(track.recording) and row.fingerprint == fingerprint

    def _is_done(self, item: Item) -> bool:
        row = self.done[_identity(item)]
        if self.retry_failed and row.retriable:
            return False
        if isinstance(item, Failure):
            return row.failed and row.fingerprint is None
        return row.covers(item) and row.fingerprint == current_fingerprint(item, self.stores)


def find_done(config: TranscriptionConfig, commits: Sequence[Commit]) -> Resume:
    """What the runs in a job's output spare it. Raises as `read_done`, and as a card's files do."""
    done: dict[str, Done] = {}
    if commits and not config.force:
        done = read_done(config.output, commits, config.fingerprints, config.stores)
    return Resume(done, config.stores, config.retry_failed)


def read_done(
    directory: str,
    commits: Sequence[Commit],
    fingerprints: tuple[str, str],
    stores: Stores,
) -> dict[str, Done]:
    """By recording id what the ledger holds under these fingerprints of model and configuration.

    A recording with any row that counts and was made otherwise is not done. Raises
    `ConfigurationError` for a ledger that cannot be read.
    """
    rows = newest_rows(directory, commits, "recordings", COLUMNS, stores)
    columns = (rows[name].to_pylist() for name in COLUMNS)
    done: dict[str, Done] = {}
    stale: set[str] = set()
    for identity, channel, status, error, count, audio, model, config in zip(*columns, strict=True):
        failed = status == FAILED
        row = Done(
            fingerprint=audio,
            channels=frozenset()
            if failed and channel is None and count is None
            else frozenset({channel}),
            num_channels=count,
            failed=failed,
            retriable=failed or (status == PARTIAL and error not in LOST_FOR_GOOD),
        )
        other = done.get(identity, row)
        if (model, config) != fingerprints or other.fingerprint != audio:
            stale.add(identity)
        done[identity] = Done(
            fingerprint=audio,
            channels=other.channels | row.channels,
            num_channels=count if other.num_channels is None else other.num_channels,
            failed=other.failed or failed,
            retriable=other.retriable or row.retriable,
        )
    for identity in stale:
        del done[identity]
    return done


def _identity(item: Item) -> str:
    return item.id if isinstance(item, Recording) else item.recording.id
