"""`beamscribe evaluate`: the ledger of an output directory, scored against its references."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError
from pipeline.ledger import committed_runs, newest_rows
from pipeline.score import Evaluation, Pair, RecordingScore, score
from pipeline.storage import stores_of
from transforms.store import Stores

if TYPE_CHECKING:
    from rich.table import Table

_ID_FIELDS = ("id", "recording_id", "utt_id", "audio_filepath", "audio_uri", "uri", "path")


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """The columns of the ledger that an evaluation reads; `channel` is None when mixed."""

    recording_id: str
    channel: int | None
    status: str
    text: str | None
    reference: str | None


def pair(rows: Iterable[LedgerRow], references: Mapping[str, str] | None) -> tuple[Pair, ...]:
    """Rows beside their references: those of the ledger, or by recording id from `references`."""
    return tuple(
        Pair(
            recording_id=row.recording_id,
            channel=row.channel,
            reference=row.reference if references is None else references.get(row.recording_id),
            hypothesis=row.text or "",
            failed=row.status == "failed",
        )
        for row in rows
    )


def read_ledger(directory: str, stores: Stores) -> tuple[LedgerRow, ...]:
    """The ledger rows that count in `directory`, by recording and channel.

    Raises `ConfigurationError` where there is no such directory, no committed run, or a
    ledger that cannot be read.
    """
    commits = committed_runs(directory, stores)
    if not commits:
        raise ConfigurationError(
            f"{directory} is not a directory that holds a committed run (runs/*.json); name the "
            "one that `beamscribe transcribe --output` wrote, and let it finish"
        )
    columns = list(LedgerRow.__dataclass_fields__)
    rows = newest_rows(directory, commits, "recordings", columns, stores)
    ledger = (LedgerRow(**row) for row in rows.to_pylist())
    return tuple(
        sorted(ledger, key=lambda r: (r.recording_id, -1 if r.channel is None else r.channel))
    )


def read_references(manifest: str, stores: Stores) -> dict[str, str]:
    """Texts by recording id, from the JSON lines at `manifest`, a local path or fsspec URL.

    The id is `id` (or `recording_id`, `utt_id`), else the audio's path or URI as written.
    Lines without `text` are passed over. Raises `ConfigurationError` with the line at fault.
    """
    texts: dict[str, str] = {}
    lines: dict[str, int] = {}
    try:
        with stores.open(manifest) as stored:
            zipped = manifest.endswith(".gz")
            unzipped = gzip.GzipFile(fileobj=stored) if zipped else stored
            for number, line in enumerate(TextIOWrapper(unzipped, "utf-8-sig"), start=1):
                if not line.strip():
                    continue
                recording_id, text = _parse_reference(line, f"{manifest}:{number}")
                if recording_id in lines:
                    raise ConfigurationError(
                        f"{manifest}:{number}: {recording_id} stands in line "
                        f"{lines[recording_id]} already; ids must differ"
                    )
                lines[recording_id] = number
                if text is not None:
                    texts[recording_id] = text
    except ConfigurationError:
        raise
    except (ImportError, OSError, EOFError, ValueError, zlib.error) as error:
        raise ConfigurationError(f"cannot read the references {manifest}: {error}") from error
    return texts


def _parse_reference(line: str, place: str) -> tuple[str, str | None]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{place}: not JSON ({error}); one object a line") from error
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{place}: not a JSON object")
    recording_id = next((entry[name] for name in _ID_FIELDS if entry.get(name) is not None), None)
    if recording_id is None:
        raise ConfigurationError(f"{place}: needs `id` or `audio_filepath`")
    text = entry.get("text")
    if text is not None and not isinstance(text, str):
        raise ConfigurationError(f"{place}: `text` must be a string")
    return str(recording_id), text


def as_table(evaluation: Evaluation) -> Table:
    """One row a recording, the totals last, what was left out below."""
    from rich.table import Table
    from rich.text import Text

    notes = []
    if evaluation.failed:
        notes.append(f"{evaluation.failed} failed, counted as deleted words")
    if evaluation.without_reference:
        notes.append(f"{evaluation.without_reference} without a reference, not scored")
    table = Table(caption="; ".join(notes) or None, caption_justify="left")
    table.add_column("recording", overflow="fold")
    for name in ("words", "sub", "del", "ins", "WER", "CER"):
        table.add_column(name, justify="right", no_wrap=True)
    for s in evaluation.recordings:
        channel = "" if s.channel is None else f" (channel {s.channel})"
        label = Text(f"{s.recording_id}{channel}{' (failed)' if s.failed else ''}")
        table.add_row(label, *_cells(s))
    table.add_section()
    table.add_row(Text(f"{len(evaluation.recordings)} recordings"), *_cells(evaluation))
    return table


def _cells(scored: RecordingScore | Evaluation) -> tuple[str, ...]:
    counts = (scored.reference_words, scored.substitutions, scored.deletions, scored.insertions)
    rates = ("-" if rate is None else f"{rate:.1%}" for rate in (scored.wer, scored.cer))
    return (*map(str, counts), *rates)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="what `transcribe --output` wrote")
    parser.add_argument(
        "--references",
        metavar="MANIFEST",
        help="JSON lines with `id` or `audio_filepath`, and `text`; "
        "instead of the references that the transcribed manifest had",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Prints the evaluation to stdout; raises `ConfigurationError` if nothing can be scored."""
    named = [args.directory] if args.references is None else [args.directory, args.references]
    stores = stores_of(args, named)
    rows = read_ledger(args.directory, stores)
    references = None if args.references is None else read_references(args.references, stores)
    evaluation = score(pair(rows, references))
    if not evaluation.recordings:
        advice = (
            "give the texts with --references MANIFEST"
            if references is None
            else f"the ids or paths in {args.references} must be the recording ids of the ledger"
        )
        raise ConfigurationError(
            f"none of the {len(rows)} recordings in {args.directory} has a reference; {advice}"
        )
    absent = 0 if references is None else len(references.keys() - {r.recording_id for r in rows})
    if absent:
        print(f"references whose recording was not transcribed: {absent}", file=sys.stderr)
    if args.json:
        print(json.dumps(asdict(evaluation), ensure_ascii=False, indent=2))
    else:
        from rich.console import Console

        Console().print(as_table(evaluation))
    return 0
