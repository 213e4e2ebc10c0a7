"""Jobs killed at random moments: are the rows of the rerun those of an undisturbed run?

`python -m benchmarks.kills tests/data/manifest.jsonl --kills 20` runs the job once to its end, then
kills a fresh one (SIGKILL) at each of so many moments and runs it again, to the end. Rows are equal
where words and times are exactly the same and confidences differ by at most `NEAR`: what shares a
batch moves the last digits.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.ledger import committed_runs, newest_rows
from transforms.journal import read_entry
from transforms.records import SpanOutcome, Transcript
from transforms.schema import TABLES
from transforms.store import Stores

NEAR = 1e-3
OF_THE_RUN = ("run_id", "finished_at")
DONE = (0, 3)

Row = dict[str, Any]


@dataclass(frozen=True)
class Kill:
    """`kept_s` is audio of spans whole in the journal, `recognized_s` what the rerun heard.

    `lost_s` is how long before the kill a span was last whole there: what was done since is done
    again. It counts from the start of the job where none was.
    """

    moment_s: float
    rows: int
    equal: int
    audio_s: float
    kept_s: float
    recognized_s: float
    lost_s: float
    rerun_s: float
    exit_code: int


def command(sources: Sequence[str], output: Path, flags: Sequence[str] = ()) -> list[str]:
    """The job as a process of its own."""
    job = [sys.executable, "-m", "pipeline", "transcribe", *sources]
    return [*job, "--output", str(output), *flags]


def rows_of(output: Path) -> dict[str, list[Row]]:
    """The rows of both tables that count, in order, without what names the run."""
    stores = Stores()
    commits = committed_runs(str(output), stores)
    tables: dict[str, list[Row]] = {}
    for table, schema in TABLES.items():
        columns = [name for name in schema.names if name not in OF_THE_RUN]
        rows = newest_rows(str(output), commits, table, columns, stores).to_pylist()
        tables[table] = sorted(rows, key=_place)
    return tables


def equal_rows(rows: dict[str, list[Row]], wanted: dict[str, list[Row]]) -> int:
    """How many of the wanted rows are there; 0 where there are more or fewer."""
    if any(len(rows[table]) != len(wanted[table]) for table in wanted):
        return 0
    return sum(
        is_near(one, other)
        for table in wanted
        for one, other in zip(rows[table], wanted[table], strict=True)
    )


def is_near(one: object, other: object, name: str = "") -> bool:
    """Equal but for confidences, which may differ by `NEAR`."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_near(one[key], other[key], key) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_near, one, other))
    if name == "confidence" and isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= NEAR
    return one == other


def journaled(output: Path) -> tuple[float, float | None]:
    """Seconds of audio that a rerun takes from the journal, and when the last of them came there.

    Those are the spans of which all was written. The time is in seconds since the epoch.
    """
    outcomes: dict[tuple[str, int | None, int], int] = {}
    stretches: dict[tuple[str, int | None, int], dict[int, Transcript]] = {}
    kept_s, written = 0.0, None
    files = sorted((path.stat().st_mtime, path) for path in output.glob("_journal/*/*/*.jsonl"))
    for moment, path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = read_entry(line)
            piece = entry.piece
            if isinstance(piece, SpanOutcome):
                place = (entry.recording_id, entry.channel, piece.span_index)
                outcomes[place] = piece.sound_samples
            else:
                place = (entry.recording_id, entry.channel, piece.order[0])
                stretches.setdefault(place, {})[piece.order[1]] = piece
        now_s = sum(
            sum(each.end_s - each.start_s for each in found.values())
            for place, found in stretches.items()
            if sum(each.num_samples for each in found.values()) == outcomes.get(place)
        )
        if now_s > kept_s:
            kept_s, written = now_s, moment
    return kept_s, written


def kill_once(
    sources: Sequence[str],
    output: Path,
    moment_s: float,
    wanted: dict[str, list[Row]],
    flags: Sequence[str] = (),
) -> Kill:
    """Start a job, kill it after `moment_s`, run it again to its end."""
    audio_s = sum(row["end"] - row["start"] for row in wanted["transcripts"])
    job = command(sources, output, flags)
    started = time.time()
    with subprocess.Popen(job, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(moment_s)
        except subprocess.TimeoutExpired:
            process.kill()
    killed = time.time()
    kept_s, written = journaled(output)
    committed = bool(committed_runs(str(output), Stores()))
    if committed:
        kept_s = audio_s
    began = time.perf_counter()
    code = subprocess.run(job, capture_output=True, check=False).returncode
    rerun_s = time.perf_counter() - began
    rows = rows_of(output)
    return Kill(
        moment_s=moment_s,
        rows=sum(map(len, rows.values())),
        equal=equal_rows(rows, wanted),
        audio_s=audio_s,
        kept_s=kept_s,
        recognized_s=_recognized_s(output, audio_s - kept_s),
        lost_s=0.0 if committed else killed - (written or started),
        rerun_s=rerun_s,
        exit_code=code,
    )


def lines(kills: Sequence[Kill], total: int) -> Iterator[str]:
    yield "| killed at (s) | rows equal | audio kept (s) | heard again (s) | lost (s) | exit |"
    yield "|---|---|---|---|---|---|"
    for kill in kills:
        yield (
            f"| {kill.moment_s:.1f} | {kill.equal} of {total} | {kill.kept_s:.0f} of "
            f"{kill.audio_s:.0f} | {kill.recognized_s:.0f} | {kill.lost_s:.1f} | "
            f"{kill.exit_code} |"
        )


def _recognized_s(output: Path, otherwise: float) -> float:
    """What the last run heard: as it says, or what was not in the journal."""
    commits = committed_runs(str(output), Stores())
    metrics = commits[-1].get("metrics", {}) if commits else {}
    heard = metrics.get("audio_s") if isinstance(metrics, dict) else None
    return float(heard) if isinstance(heard, int | float) else otherwise


def _place(row: Row) -> tuple[str, int, float]:
    channel = row["channel"]
    return row["recording_id"], -1 if channel is None else channel, row.get("start", 0.0)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="+", metavar="MANIFEST")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--decoder", default="beam")
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    flags = ("--decoder", arguments.decoder)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        began = time.perf_counter()
        whole = folder / "undisturbed"
        code = subprocess.run(
            command(arguments.sources, whole, flags), capture_output=True, check=False
        ).returncode
        whole_s = time.perf_counter() - began
        if code not in DONE:
            raise RuntimeError(f"the undisturbed job ended with {code}")
        wanted = rows_of(whole)
        total = sum(map(len, wanted.values()))
        print(f"undisturbed: {whole_s:.1f} s, {total} rows", file=sys.stderr, flush=True)
        kills = []
        for number in range(arguments.kills):
            moment_s = moments.uniform(0.5, whole_s)
            output = folder / f"killed-{number}"
            kills.append(kill_once(arguments.sources, output, moment_s, wanted, flags))
            print(json.dumps(vars(kills[-1])), file=sys.stderr, flush=True)
    print("\n".join(lines(kills, total)))
    return 0 if all(kill.equal == total for kill in kills) else 1


if __name__ == "__main__":
    sys.exit(main())
