"""Errors by fault.

RecordingError (ValueError)          the data's: becomes a ledger row
├── UnreadableAudioError (OSError)   missing, forbidden, or no audio that can be read
│   └── StoreError                   its store did not answer, or not in full, for too long
├── ForbiddenSourceError             a place that its manifest has no business to name
├── UnsupportedAudioError            a rate, channel or coding that makes no sense here
├── UnsupportedLanguageError         not what the model hears
├── EmptyAudioError                  a header and no samples
├── TooShortAudioError               less than the model can hear
├── TruncatedAudioError              ends before its header says
├── CorruptAudioError                a stretch that does not decode, or to no numbers
├── CrashError (RuntimeError)         a native library died of it
├── DeadlineError (TimeoutError)      nothing came of it in time
├── UncomputableError                beyond the memory of the device, or what the model computes
├── UnreliableEmissionError          the model answered with something not finite
├── IncompleteError                  a part of it was planned and never arrived
└── ManifestLineError                a line of a manifest that says nothing usable

ManifestError (ValueError)           the job's: a manifest that cannot be used at all
OutputError (OSError)                the job's: the output cannot be written
"""

from __future__ import annotations

from transforms.records import Failure, Recording
from transforms.redact import redacted


class RecordingError(ValueError):
    """One recording cannot be transcribed; the others can."""


class UnreadableAudioError(RecordingError, OSError):
    """The file is missing, forbidden, or not audio."""


class StoreError(UnreadableAudioError):
    """The store failed for longer than a job waits; the file itself may be sound."""


class ForbiddenSourceError(RecordingError):
    """The manifest names a place that it may not reach."""


class UnsupportedAudioError(RecordingError):
    """The file is audio of a kind that cannot be handled."""


class UnsupportedLanguageError(RecordingError):
    """The manifest names a language that no model of the job hears."""


class EmptyAudioError(RecordingError):
    """The file holds no samples."""


class TooShortAudioError(RecordingError):
    """The file, or the stretch that was asked for, is shorter than the model can hear."""


class TruncatedAudioError(RecordingError):
    """The file ends before its header says."""


class CorruptAudioError(RecordingError):
    """A stretch of the file does not decode, or to samples that are not finite numbers."""


class CrashError(RecordingError, RuntimeError):
    """The process that worked on the recording died."""


class DeadlineError(RecordingError, TimeoutError):
    """Work on the recording took longer than it may, and was given up."""


class UncomputableError(RecordingError):
    """The model or its decoder has no answer for a part of the recording."""


class UnreliableEmissionError(RecordingError):
    """The model's output for this audio is not finite."""


class IncompleteError(RecordingError):
    """Spans, segments or samples of the recording were planned and neither came nor failed."""


class ManifestLineError(RecordingError):
    """A manifest's line cannot be parsed or lacks what it needs."""


class ManifestError(ValueError):
    """A manifest cannot be used at all."""


class OutputError(OSError):
    """The output cannot be written."""


def failure_of(
    error: RecordingError,
    recording: Recording,
    channel: int | None,
    stage: str,
    fingerprint: str | None = None,
) -> Failure:
    """The one way from a caught error to the ledger."""
    message = redacted(str(error))
    return Failure(recording, channel, stage, type(error).__name__, message, fingerprint)
