"""A rerun does what is new, changed or asked for again, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import transforms.recognize
from pipeline.ledger import committed_runs
from pipeline.resume import Done, Resume, read_done
from tests.conftest import DATA
from tests.pipeline.test_transcribe import run
from transforms.commit import RunOutput, commit_run
from transforms.fingerprint import audio_fingerprint, current_fingerprint
from transforms.parquet import stage_entries
from transforms.records import (
    FAILED,
    OK,
    PARTIAL,
    Failure,
    LedgerEntry,
    Recording,
    Track,
)
from transforms.schema import RunStamp
from transforms.store import Stores

NOW = datetime(2026, 1, 2, tzinfo=UTC)
VOICE = DATA / "audio" / "librispeech-1089-134691-0000.flac"


def write_run(directory: Path, sequence: int, entries: list[LedgerEntry], model: str = "m") -> None:
    stamp = RunStamp(f"run-{9 - sequence}", "hama", "en", model, "c")
    where = RunOutput(str(directory), stamp, NOW, {}, {}, sequence)
    commit_run([stage_entries(entries, where)], where)


def entry(recording: Recording, channel: int | None, channels: int, status: str) -> LedgerEntry:
    fingerprint = current_fingerprint(Recording("x", recording.uri), Stores()) or "gone"
    track = Track(recording, channel, 8000, channels, 8000, 0, 8000, fingerprint, 1)
    failure = None if status == OK else Failure(recording, channel, "decode", "TestError", "why")
    return LedgerEntry(recording, track, channel, status, (), 0.0, failure)


def lost(recording: Recording) -> LedgerEntry:
    fingerprint = current_fingerprint(recording, Stores())
    failure = Failure(recording, None, "plan", "UnreadableAudioError", "no audio", fingerprint)
    return LedgerEntry(recording, None, None, FAILED, (), 0.0, failure)


def pending(directory: Path, items: list[Recording | Failure], **options: Any) -> list[str]:
    commits = committed_runs(str(directory), Stores())
    done = read_done(str(directory), commits, ("m", "c"), Stores())
    resume = Resume(done, Stores(), **options)
    names = [
        item.id if isinstance(item, Recording) else item.recording.id
        for item in resume.pending(items)
    ]
    assert len(names) + resume.skipped.recordings == len(items)
    return names


@pytest.fixture
def voice(tmp_path: Path) -> str:
    return str(shutil.copy(VOICE, tmp_path / "voice.flac"))


@pytest.mark.parametrize(
    ("rows", "channels", "asked", "covered"),
    [
        ({None}, 2, "mix", True),
        ({None}, 2, "each", False),
        ({None}, 2, 0, False),
        ({0, 1}, 2, "each", True),
        ({0}, 2, "each", False),
        ({0}, 2, 0, True),
        ({0}, 1, "each", True),
        ({0}, 2, "mix", False),
        (set(), None, "each", True),
    ],
)
def test_every_channel_that_is_asked_for(
    rows: set[int | None], channels: int | None, asked: str | int, covered: bool
) -> None:
    done = Done("f", frozenset(rows), channels, False, False)
    assert done.covers(Recording("a", "a.wav", asked)) == covered


def test_only_what_is_new_or_changed(tmp_path: Path, voice: str) -> None:
    same, other = Recording("same", voice), Recording("other", voice, 1)
    write_run(tmp_path / "out", 1, [entry(same, None, 2, OK), entry(other, 1, 2, OK)])
    new = Recording("new", voice)
    assert pending(tmp_path / "out", [same, other, new]) == ["new"]
    assert pending(tmp_path / "out", [Recording("same", voice, "each")]) == ["same"]
    assert pending(tmp_path / "out", [Recording("same", voice, offset_s=0.5)]) == ["same"]
    os.utime(voice, (1, 1))
    assert pending(tmp_path / "out", [same, other]) == ["same", "other"]
    Path(voice).unlink()
    assert pending(tmp_path / "out", [same]) == ["same"]


def test_a_stretch_is_done_as_that_stretch(tmp_path: Path, voice: str) -> None:
    stretch = Recording("a", voice, offset_s=0.5, duration_s=1.0)
    write_run(tmp_path / "out", 1, [entry(stretch, None, 1, OK)])
    assert pending(tmp_path / "out", [stretch]) == []
    stored = audio_fingerprint(Recording("a", voice), "f")
    assert stored == "f" != audio_fingerprint(stretch, "f")


def test_another_model_does_everything_again(tmp_path: Path, voice: str) -> None:
    recording = Recording("a", voice)
    write_run(tmp_path / "out", 1, [entry(recording, None, 1, OK)], model="older")
    assert pending(tmp_path / "out", [recording]) == ["a"]


def test_the_last_run_counts_whatever_its_name(tmp_path: Path, voice: str) -> None:
    """Run names come from clocks, which jump; the sequence does not."""
    recording = Recording("a", voice)
    write_run(tmp_path / "out", 1, [entry(recording, None, 1, OK)])
    write_run(tmp_path / "out", 2, [entry(recording, None, 1, OK)], model="newer")
    assert pending(tmp_path / "out", [recording]) == ["a"]


def test_what_failed_is_tried_again_when_asked(tmp_path: Path, voice: str) -> None:
    missing, bad = Recording("missing", str(tmp_path / "none.wav")), Recording("bad", voice)
    part, whole = Recording("part", voice), Recording("whole", voice)
    line = Failure(Recording("m.jsonl:3", ""), None, "manifest", "ManifestLineError", "not JSON")
    rows = [
        lost(missing),
        lost(bad),
        entry(part, None, 1, PARTIAL),
        entry(whole, None, 1, OK),
        LedgerEntry(line.recording, None, None, FAILED, (), 0.0, line),
    ]
    write_run(tmp_path / "out", 1, rows)
    items: list[Recording | Failure] = [missing, bad, part, whole, line]
    assert pending(tmp_path / "out", items) == []
    expected = ["missing", "bad", "part", "m.jsonl:3"]
    assert pending(tmp_path / "out", items, retry_failed=True) == expected
    (tmp_path / "none.wav").write_bytes(b"it is there now")
    assert pending(tmp_path / "out", items) == ["missing"]


def test_order_is_kept_beside_a_hundred_checks(tmp_path: Path, voice: str) -> None:
    items: list[Recording | Failure] = [Recording(f"{n}", voice) for n in range(3000)]
    known = [entry(Recording(f"{n}", voice), None, 1, OK) for n in range(0, 3000, 3)]
    write_run(tmp_path / "out", 1, known)
    expected = [f"{n}" for n in range(3000) if n % 3]
    assert pending(tmp_path / "out", items) == expected


def ledger(output: Path) -> list[dict[str, Any]]:
    found = []
    for commit in committed_runs(str(output), Stores()):
        for name in commit["files"]:
            if name.startswith("recordings"):
                found += pq.ParquetFile(output / name).read().to_pylist()
    return found


def test_a_job_is_rerun_by_a_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real job: done once, nothing left; grown by one, that one; retried, what failed."""
    voice = str(shutil.copy(VOICE, tmp_path / "voice.flac"))
    manifest, output = tmp_path / "m.jsonl", tmp_path / "out"
    lines = [{"audio_filepath": voice, "id": "a"}, {"audio_filepath": "gone.wav", "id": "b"}]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    arguments = ["transcribe", str(manifest), "--output", str(output), "--num-workers", "1"]
    assert run(arguments)[0] == 3
    before = sorted(str(path) for path in output.rglob("*"))

    with monkeypatch.context() as patch:
        patch.delattr(transforms.recognize, "load_recognizer")
        code, printed = run(arguments)
    assert code == 3
    assert "2 recordings were done before (1 failed" in printed
    assert sorted(str(path) for path in output.rglob("*")) == before

    with manifest.open("a") as file:
        file.write(json.dumps({"audio_filepath": voice, "id": "c", "offset": 0.5}) + "\n")
    assert run(arguments)[0] == 3
    assert [(row["recording_id"], row["status"]) for row in ledger(output)] == [
        ("a", "ok"),
        ("b", "failed"),
        ("c", "ok"),
    ]
    shutil.copy(VOICE, tmp_path / "gone.wav")
    assert run([*arguments, "--retry-failed"])[0] == 0
    assert [row["recording_id"] for row in ledger(output)] == ["a", "b", "c", "b"]
    assert run(arguments)[0] == 0
    assert run([*arguments, "--force"])[0] == 0
    assert len(ledger(output)) == 7
