"""What a finished run says of itself on stdout: each recording with its text, then totals."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from pipeline.ledger import read_rows
from pipeline.resume import Skipped
from transforms.records import FAILED, OK, STATUSES
from transforms.redact import redacted
from transforms.store import Stores

RECORDINGS_SHOWN = 50


def print_summary(
    output: str, commit: dict[str, Any] | None, skipped: Skipped, stores: Stores
) -> None:
    """Print the first recordings of a run, its totals, and what was passed over.

    `commit` is the run's own file, None where there was nothing to do.
    """
    console = Console(soft_wrap=True, highlight=False)
    if commit is not None:
        _print_run(console, output, commit, stores)
    if skipped.recordings:
        failed = f" ({skipped.failed} failed; --retry-failed tries again)" if skipped.failed else ""
        console.print(f"{skipped.recordings} recordings were done before{failed}")
    elif commit is None:
        console.print("nothing to do")


def _print_run(console: Console, output: str, commit: dict[str, Any], stores: Stores) -> None:
    rows = _ledger(output, commit, stores)
    for row in rows[:RECORDINGS_SHOWN]:
        console.print(_line(row))
    if len(rows) > RECORDINGS_SHOWN:
        console.print(f"... and {len(rows) - RECORDINGS_SHOWN} more in the ledger")
    totals, wall_s = commit["totals"], commit["wall_s"]
    counts = ", ".join(
        f"{totals[status]:.0f} {status}" for status in STATUSES if totals.get(status)
    )
    audio_s, wall_s = totals["audio_s"], max(wall_s, 1e-3)
    console.print(
        f"\n{totals['recordings']:.0f} recordings ({counts}), {totals['words']:.0f} words, "
        f"{audio_s / 60:.1f} min of audio in {wall_s:.1f} s: RTFx {audio_s / wall_s:.0f}"
    )
    if notes := _notes(commit):
        console.print(notes)
    output = redacted(output)
    console.print(f"transcripts  {output}/transcripts/run={commit['run_id']}/*.parquet")
    console.print(f"ledger       {output}/recordings/run={commit['run_id']}/*.parquet")
    console.print(f"run          {output}/runs/{commit['run_id']}.json")


def _notes(commit: dict[str, Any]) -> str:
    """Padding, retries and errors by type; what there was none of is not said."""
    metrics = commit.get("metrics", {})
    padding, retries = metrics.get("padding_waste"), metrics.get("store_retries")
    errors = sorted(commit.get("errors", {}).items(), key=lambda item: (-item[1], item[0]))
    parts = [
        "" if padding is None else f"{padding:.1%} padding",
        f"{retries} store retries" if retries else "",
        ", ".join(f"{count} {error}" for error, count in errors),
    ]
    return "; ".join(part for part in parts if part)


def _line(row: dict[str, Any]) -> str:
    name = escape(row["recording_id"])
    if row["channel"] is not None:
        name += f" (channel {row['channel']})"
    if row["status"] == FAILED:
        return f"[bold red]{name}[/]  failed: {row['error_type']}: {escape(row['error_message'])}"
    note = "" if row["status"] == OK else f"  ({row['status']})"
    return f"[bold]{name}[/]{note}  {escape(row['text'])}"


def _ledger(output: str, commit: dict[str, Any], stores: Stores) -> list[dict[str, Any]]:
    columns = ["recording_id", "channel", "status", "text", "error_type", "error_message"]
    rows = read_rows(output, commit, "recordings", columns, stores).to_pylist()
    return sorted(rows, key=lambda row: (row["recording_id"], row["channel"] or 0))
