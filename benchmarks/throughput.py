"""How fast a whole job is, beside what its parts allow: `python -m benchmarks.throughput`.

Run it from the root of the repository, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

# The decoder's processes import this module again, so what is large is imported in `main`.
if TYPE_CHECKING:
    from benchmarks.measure import Report

MANIFEST = "tests/data/manifest.jsonl"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table and return an exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.runs < 1 or arguments.workers < 1 or not arguments.minutes > 0:
        parser.error("--minutes, --workers and --runs must be positive")

    from benchmarks.measure import measure
    from transforms.errors import ManifestError, RecordingError

    try:
        report = measure(
            manifest=arguments.manifest,
            minutes=arguments.minutes,
            workers=arguments.workers,
            runs=arguments.runs,
            note=lambda text: print(text, file=sys.stderr, flush=True),
        )
    except (ManifestError, RecordingError) as error:
        print(f"throughput: {error}", file=sys.stderr)
        return 2
    print("\n".join(report_lines(report)))
    if arguments.json is not None:
        arguments.json.write_text(
            json.dumps(asdict(report) | {"summary": summarise(report)}, indent=2) + "\n",
            encoding="utf-8",
        )
    return 0


def summarise(report: Report) -> dict[str, dict[str, float]]:
    """Median, minimum and maximum over the rounds of each quantity.

    The ratios are taken round by round; RTFx is audio seconds a wall second.
    """
    rounds = report.rounds
    quantities = {
        "forward": [each.forward for each in rounds],
        "decoder": [each.decoder for each in rounds],
        "together": [each.together for each in rounds],
        "job": [each.job for each in rounds],
        "process": [each.process for each in rounds],
        "job_to_together": [each.job / each.together for each in rounds],
        "process_to_together": [each.process / each.together for each in rounds],
        "peak_rss_bytes": [float(each.peak_rss_bytes) for each in rounds],
    }
    return {
        name: {"median": statistics.median(values), "min": min(values), "max": max(values)}
        for name, values in quantities.items()
    }


def report_lines(report: Report) -> Iterator[str]:
    """The report as text, line by line."""
    machine, summary = report.machine, summarise(report)
    yield f"machine    {machine.cpu}, {machine.cores} cores, {machine.threads} threads"
    yield (
        f"           python {machine.python}, torch {machine.torch}; "
        f"load {machine.load:.2f} before the start"
    )
    yield (
        f"audio      {report.manifest}, repeated: {report.audio_s / 60:.1f} min, "
        f"{report.recordings} recordings, {report.segments} segments"
    )
    yield f"workers    {report.workers} threads for the forward pass, as many decoder processes"
    yield f"rounds     {len(report.rounds)}, alternating"
    yield ""
    yield f"{'RTFx (audio s / wall s)':<52}{'median':>9}{'min':>9}{'max':>9}"
    for label, name, digits, unit in (
        ("a  forward alone, 12 x 10 s, nothing padded", "forward", 1, 1.0),
        ("b  beam decoder alone, processes warm", "decoder", 1, 1.0),
        ("c  both on the same cores: 1 / (1/a + 1/b)", "together", 1, 1.0),
        ("d  whole job, by its own wall_s", "job", 1, 1.0),
        ("e  whole job, by its process with imports", "process", 1, 1.0),
        ("d / c", "job_to_together", 3, 1.0),
        ("e / c", "process_to_together", 3, 1.0),
        ("peak RSS of the job, MiB (*)", "peak_rss_bytes", 0, 2.0**20),
    ):
        row = summary[name]
        yield f"{label:<52}" + "".join(
            f"{row[column] / unit:>9.{digits}f}" for column in ("median", "min", "max")
        )
    yield ""
    yield f"padding waste of the job's batches, all in one bundle: {report.padding_waste:.2%}"
    yield "(*) the largest single process of the job's tree, its decoder processes not added"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput",
        description="Measure forward pass, beam decoder and whole job side by side.",
    )
    parser.add_argument(
        "manifest", nargs="?", default=MANIFEST, metavar="MANIFEST", help=f"default: {MANIFEST}"
    )
    parser.add_argument("--minutes", type=float, default=20.0, help="of audio in a job; 20")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="default: one a processor"
    )
    parser.add_argument("--runs", type=int, default=3, help="rounds that count; 3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
