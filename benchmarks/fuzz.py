"""Thousands of damaged audio files, damaged manifests: no crash, no hang, each accounted for.

`python -m benchmarks.fuzz --audio 1200 --manifests 1200` damages good files of every kind at
random, from a seed, reads them as a job does, and counts what came of it. A crash, a hang and any
error that is not the recording's own are faults; their files are kept under `--keep`. `--job 200`
then runs one real job over so many of the audio files.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.kills import command, rows_of
from tests.transforms.damage import DAMAGES, EVERY_KIND, good
from transforms.audio_plan import AudioPlan, plan_reels
from transforms.errors import CrashError, DeadlineError, ManifestError, RecordingError
from transforms.isolation import Isolated
from transforms.manifest import iterate_sources
from transforms.reading import read_reel, read_tracks
from transforms.records import Recording
from transforms.store import Stores

DEADLINE_S = 30.0
PLAN = AudioPlan(language="en", model_rate_hz=16_000, shortest_s=0.1, deadline_s=DEADLINE_S)
FINISHED = (0, 3)
ROWS = [
    {
        "audio_filepath": f"audio/{number:02d}.wav",
        "id": f"id-{number}",
        "offset": number / 4,
        "duration": 2.5,
        "text": "wörter, \"zitiert\" und\ttabs 'einfach'",
        "language": "en",
        "channel": ("mix", "each", 1)[number % 3],
        "hotwords": ["one", "two"],
        "note": None,
    }
    for number in range(12)
]


def read_audio(path: Path) -> str:
    """What became of a file; a name in capitals is a fault."""
    try:
        lost = 0
        for reel in plan_reels(read_tracks(Recording("r", str(path)), PLAN), PLAN):
            for decoded in read_reel(reel, PLAN):
                lost += decoded.error is not None
        return "read in part" if lost else "read"
    except CrashError:
        return "CRASH"
    except DeadlineError:
        return "HANG"
    except RecordingError as error:
        return type(error).__name__ if str(path) in str(error) else "UNNAMED"
    except RuntimeError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return "FAULT"


def damaged_audio(folder: Path, number: int, seed: int) -> Iterator[tuple[str, Path]]:
    """So many damaged files, kinds in turn: the kind and the file."""
    contents: dict[str, bytes] = {}
    for index in range(number):
        kind = EVERY_KIND[index % len(EVERY_KIND)]
        if kind not in contents:
            contents[kind] = good(folder / "good", kind)
        source = random.Random(f"{seed} {kind} {index}")
        damaged = bytearray(contents[kind])
        for _ in range(source.choice([1, 1, 2])):
            if len(damaged) > 8:
                source.choice(DAMAGES)(damaged, source)
        path = folder / f"{index:05d}-{kind}"
        path.write_bytes(damaged)
        yield kind, path


def good_manifests() -> dict[str, bytes]:
    """The same rows in every format, by suffix."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
    simple = [{**row, "hotwords": "one two", "channel": str(row["channel"])} for row in ROWS]
    parquet = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(simple), parquet)
    manifests = {
        ".jsonl": lines,
        ".json": json.dumps(ROWS).encode(),
        ".txt": "".join(f"{row['audio_filepath']}\n" for row in ROWS).encode(),
        ".parquet": parquet.getvalue(),
        ".jsonl.gz": gzip.compress(lines, mtime=0),
    }
    for suffix, delimiter in ((".csv", ","), (".tsv", "\t")):
        text = io.StringIO()
        writer = csv.DictWriter(text, list(simple[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(simple)
        manifests[suffix] = text.getvalue().encode()
    return manifests


def damage_text(content: bytearray, source: random.Random) -> None:
    """What editors, spreadsheets and other programs do to a manifest."""
    place = source.randrange(len(content))
    end = min(len(content), place + source.choice([1, 40, 400]))
    piece = bytes(content[place:end])
    content[place:end] = source.choice(
        [
            piece * 3,
            b"",
            b"\n",
            b"\r",
            b'"',
            b"\0",
            b"\xef\xbb\xbf",
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"a":' * 2000,
            b"9" * 5000,
            b"1e999",
            b"NaN",
            b"-1",
            b"null",
            b"\\ud800",
            "../\u202e".encode(),
            b"s3://",
            b"http://[::1",
            b"file:///etc/passwd",
            b"x" * 200_000,
        ]
    )


def damaged_manifests(folder: Path, number: int, seed: int) -> Iterator[tuple[str, Path]]:
    manifests = good_manifests()
    suffixes = list(manifests)
    for index in range(number):
        suffix = suffixes[index % len(suffixes)]
        source = random.Random(f"{seed} {suffix} {index}")
        damaged = bytearray(manifests[suffix])
        for _ in range(source.choice([1, 1, 2, 4])):
            if len(damaged) > 8:
                source.choice([*DAMAGES, damage_text, damage_text, damage_text])(damaged, source)
        path = folder / f"{index:05d}{suffix}"
        path.write_bytes(damaged)
        yield suffix, path


def name_outcome(path: str) -> Iterator[str]:
    """What became of a manifest, as a child tells it."""
    try:
        items = [item for _, item in iterate_sources([path], Stores())]
    except ManifestError as error:
        yield "ManifestError" if path in str(error) else "UNNAMED"
        return
    failures = sum(not isinstance(item, Recording) for item in items)
    yield (
        "rows"
        if not failures
        else "rows, failures among them"
        if failures < len(items)
        else ("failures alone")
    )


def read_manifest(read: Isolated[str, str], path: Path) -> str:
    try:
        (outcome,) = read(str(path), DEADLINE_S)
    except CrashError:
        return "CRASH"
    except DeadlineError:
        return "HANG"
    except RuntimeError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return "FAULT"
    return outcome


def run_job(files: list[Path], folder: Path, flags: list[str]) -> Counter[str]:
    """One job over damaged files, its rows by status. Raises `RuntimeError` for one that is amiss.

    Every recording must be in the ledger, none twice: the files have one channel mixed from all.
    """
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps({"audio_filepath": str(path)}) + "\n" for path in files))
    job = command([str(manifest)], folder / "out", flags)
    finished = subprocess.run(job, capture_output=True, text=True, check=False)
    if finished.returncode not in FINISHED:
        raise RuntimeError(f"the job ended with {finished.returncode}:\n{finished.stderr[-4000:]}")
    ledger = rows_of(folder / "out")["recordings"]
    ids = Counter(row["recording_id"] for row in ledger)
    if ids != Counter(map(str, files)):
        raise RuntimeError(f"{len(ids)} of {len(files)} recordings are in the ledger")
    return Counter(f"{row['status']} {row['error_type'] or ''}".strip() for row in ledger)


def tell(title: str, outcomes: dict[str, Counter[str]], wall_s: float) -> int:
    """Print counts by kind of file; how many faults there are."""
    total = sum(outcomes.values(), Counter())
    print(f"{title}: {total.total()} files in {wall_s:.0f} s, {len(outcomes)} kinds")
    for name, count in total.most_common():
        print(f"{count:7d}  {name}")
    for kind, counts in outcomes.items():
        print(f"  {kind}: {', '.join(f'{name} {count}' for name, count in counts.most_common())}")
    return sum(count for name, count in total.items() if name.isupper())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=int, default=1200)
    parser.add_argument("--manifests", type=int, default=1200)
    parser.add_argument("--job", type=int, default=0, help="recordings of a real job")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("faults"), help="where faults are put")
    arguments = parser.parse_args()
    faults = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)

        def keep(path: Path, outcome: str) -> None:
            if outcome.isupper():
                arguments.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, arguments.keep / f"{outcome}-{arguments.seed}-{path.name}")

        began = time.perf_counter()
        heard: dict[str, Counter[str]] = {}
        for kind, path in damaged_audio(folder, arguments.audio, arguments.seed):
            outcome = read_audio(path)
            heard.setdefault(kind, Counter())[outcome] += 1
            keep(path, outcome)
        faults += tell("audio", heard, time.perf_counter() - began)

        began = time.perf_counter()
        read = Isolated(name_outcome)
        listed: dict[str, Counter[str]] = {}
        for suffix, path in damaged_manifests(folder, arguments.manifests, arguments.seed):
            outcome = read_manifest(read, path)
            listed.setdefault(suffix, Counter())[outcome] += 1
            keep(path, outcome)
        read.close()
        faults += tell("manifests", listed, time.perf_counter() - began)

        if arguments.job:
            files = [path for _, path in damaged_audio(folder, arguments.job, arguments.seed + 1)]
            flags = ["--decoder", "greedy", "--deadline", f"{DEADLINE_S:g}"]
            began = time.perf_counter()
            tell("a job", {"rows": run_job(files, folder, flags)}, time.perf_counter() - began)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
