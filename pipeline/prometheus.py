"""The file that tells Prometheus of a job's last call.

The text exposition format: https://prometheus.io/docs/instrumenting/exposition_formats/
Node exporter's textfile collector reads it. Every sample has the label `output`, so that the files
of several jobs may lie in one folder.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ConfigurationError
from transforms.records import STATUSES
from transforms.redact import redacted

FINISHED = frozenset({0, 3})
"""Exit codes of a call that did all it could; what could not be read is counted apart."""

LAST_SUCCESS = "beamscribe_last_success_timestamp_seconds"


@dataclass(frozen=True)
class Family:
    """A gauge with its samples: values by the labels that they have besides `output`."""

    name: str
    help: str
    samples: Mapping[tuple[tuple[str, str], ...], float]


class MetricsFile:
    """One file, written as a whole at the end of a call.

    `outcome` is what is known of the run by then: None unless the call came to its end. Timestamps
    are of the system's clock, durations of a steady one.
    """

    def __init__(self, path: str, output: str) -> None:
        """Raises `ConfigurationError` where no such file can be written."""
        self.path = path
        self.outcome: tuple[Mapping[str, Any] | None, int, int] | None = None
        self._labels = (("output", redacted(output)),)
        self._began_s = time.monotonic()
        self._old_success = self._read_last_success()
        if os.path.isdir(path) or not os.access(os.path.dirname(path) or ".", os.W_OK):
            raise ConfigurationError(
                f"--metrics-file {path} cannot be written; name a file in a folder that is there"
            )

    def note(self, commit: Mapping[str, Any] | None, skipped: int, failed: int) -> None:
        """What the call came to; `failed` are also those that an earlier call left failed."""
        self.outcome = (commit, skipped, failed)

    def write(self, exit_code: int) -> None:
        """Replace the file. Raises `OSError`."""
        now_s = time.time()
        success_s = now_s if exit_code in FINISHED else self._old_success
        families = [
            *_ending(exit_code, now_s, success_s),
            *_one(
                "beamscribe_last_wall_seconds",
                "How long the last call took.",
                time.monotonic() - self._began_s,
            ),
        ]
        if self.outcome is not None:
            families += _work(*self.outcome)
        text = render(families, self._labels)
        folder = os.path.dirname(self.path) or "."
        handle, partial = tempfile.mkstemp(prefix=".beamscribe-", suffix=".partial", dir=folder)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(partial, 0o644)
            os.replace(partial, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(partial)
            raise

    def _read_last_success(self) -> float | None:
        start = _sample(LAST_SUCCESS, self._labels, "")
        try:
            with open(self.path, encoding="utf-8") as file:
                for line in file:
                    if line.startswith(start):
                        return float(line.removeprefix(start))
        except (OSError, ValueError):
            pass  # no file of ours; what is not known is left out
        return None


def render(families: Iterable[Family], labels: tuple[tuple[str, str], ...]) -> str:
    """The text of some gauges, `labels` on every sample. Families without samples are left out."""
    lines: list[str] = []
    for family in families:
        if family.samples:
            help_text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
            lines += [f"# HELP {family.name} {help_text}", f"# TYPE {family.name} gauge"]
            lines += [
                _sample(family.name, (*labels, *own), f"{value!r}")
                for own, value in family.samples.items()
            ]
    return "".join(f"{line}\n" for line in lines)


def _sample(name: str, labels: Iterable[tuple[str, str]], value: str) -> str:
    written = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    return f"{name}{{{written}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _ending(exit_code: int, now_s: float, success_s: float | None) -> list[Family]:
    success = "When a call last came to its end (exit code 0 or 3)."
    return [
        *_one("beamscribe_last_exit_code", "Exit code of the last call.", exit_code),
        *_one(
            "beamscribe_last_end_timestamp_seconds",
            "When the last call ended, however it did.",
            now_s,
        ),
        *([] if success_s is None else _one(LAST_SUCCESS, success, success_s)),
    ]


def _work(commit: Mapping[str, Any] | None, skipped: int, failed: int) -> list[Family]:
    """What the last call did; zeros where nothing was left to do."""
    commit = commit or {}
    totals, metrics = commit.get("totals", {}), commit.get("metrics", {})
    return [
        *_by(
            "beamscribe_last_recordings",
            "Recordings, or their channels, that the last call took up, by status.",
            "status",
            {status: totals.get(status, 0) for status in STATUSES},
        ),
        *_by(
            "beamscribe_last_errors",
            "Failed or partial recordings of the last call, by type of error.",
            "type",
            commit.get("errors", {}),
        ),
        *_one(
            "beamscribe_last_skipped_recordings",
            "Recordings that an earlier call had done.",
            skipped,
        ),
        *_one(
            "beamscribe_last_failed_recordings",
            "Failures in the ledger among all that the last call named, old ones too.",
            failed,
        ),
        *_one(
            "beamscribe_last_audio_seconds",
            "Audio that the last call took up.",
            totals.get("audio_s", 0.0),
        ),
        *_one(
            "beamscribe_last_padding_ratio",
            "Share of padding in what the model was given.",
            metrics.get("padding_waste"),
        ),
        *_by(
            "beamscribe_last_stage_seconds",
            "Time in each stage, of all workers together.",
            "stage",
            metrics.get("stage_s", {}),
        ),
        *_one(
            "beamscribe_last_store_retries",
            "How often a store was asked again.",
            metrics.get("store_retries", 0),
        ),
    ]


def _one(name: str, help_text: str, value: float | None) -> list[Family]:
    return [] if value is None else [Family(name, help_text, {(): value})]


def _by(name: str, help_text: str, label: str, values: Mapping[str, float]) -> list[Family]:
    return [Family(name, help_text, {((label, key),): value for key, value in values.items()})]
