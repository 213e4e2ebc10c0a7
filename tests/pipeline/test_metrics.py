"""What a real job counts: in its run's file, for Prometheus, in its log and in its summary."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from pipeline.metrics import add_to_commit, describe
from tests.conftest import DATA
from tests.pipeline.test_prometheus import parse
from transforms.store import Stores


@dataclass(frozen=True)
class Call:
    code: int
    out: str
    err: list[str]
    samples: dict[str, float]


def call(folder: Path, *arguments: str) -> Call:
    """One call as a scheduler makes it: a process, its streams, its exit code, its metrics file."""
    command = [sys.executable, "-m", "pipeline", "transcribe", *arguments]
    command += ["--output", str(folder / "out"), "--metrics-file", str(folder / "job.prom")]
    done = subprocess.run(
        [*command, "--log-format", "json"], cwd=DATA.parent.parent, capture_output=True, text=True
    )
    samples = {}
    for (name, labels), value in parse((folder / "job.prom").read_text()).items():
        assert labels[0] == ("output", str(folder / "out"))
        samples[" ".join([name.removeprefix("beamscribe_last_"), *(t for _, t in labels[1:])])] = (
            value
        )
    return Call(done.returncode, done.stdout, done.stderr.splitlines(), samples)


@dataclass(frozen=True)
class Job:
    first: Call
    again: Call
    misused: Call
    commit: dict[str, Any]
    folder: Path


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("watched")
    audio = DATA / "audio" / "librispeech-1089-134691-0001.flac"
    content = audio.read_bytes()
    (folder / "torn.flac").write_bytes(content[: len(content) // 2])
    (folder / "bad.wav").write_bytes(b"a letter")
    rows = [{"uri": str(audio), "id": "good"}, {"uri": "torn.flac"}, {"uri": "bad.wav"}]
    (folder / "m.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    first = call(folder, str(folder / "m.jsonl"))
    again = call(folder, str(folder / "m.jsonl"))
    misused = call(folder, str(folder / "m.jsonl"), "--segment-seconds", "99")
    (commit,) = (folder / "out" / "runs").glob("*.json")
    return Job(first, again, misused, json.loads(commit.read_text()), folder)


def test_the_runs_file_has_what_was_counted(job: Job) -> None:
    rows = ds.dataset(job.folder / "out" / "recordings").to_table().to_pylist()
    errors = [row["error_type"] for row in rows if row["error_type"]]
    assert sorted(errors) == sorted(job.commit["errors"])
    assert job.commit["errors"]["UnreadableAudioError"] == 1
    metrics = job.commit["metrics"]
    assert metrics["recordings_skipped"] == 0
    assert metrics["store_retries"] == 0
    assert metrics["recognized_audio_s"] == pytest.approx(
        sum(row["speech_duration"] or 0.0 for row in rows), abs=0.05
    )
    expected = 1 - metrics["recognized_audio_s"] / metrics["padded_audio_s"]
    assert metrics["padding_waste"] == pytest.approx(expected, abs=1e-4)
    assert metrics["counters"]["tracks_planned"] == 2
    assert metrics["counters"]["batches"] == 1
    assert {"plan", "decode", "segment", "write"} <= set(metrics["stage_s"])
    assert sum(metrics["stage_s"].values()) > 0


def test_the_metrics_file_says_the_same(job: Job) -> None:
    samples, commit = job.first.samples, job.commit
    assert job.first.code == samples["exit_code"] == 3
    assert samples["success_timestamp_seconds"] == samples["end_timestamp_seconds"]
    for status in ("ok", "silent", "partial", "failed"):
        assert samples[f"recordings {status}"] == commit["totals"][status]
    for error, count in commit["errors"].items():
        assert samples[f"errors {error}"] == count
    for stage, seconds in commit["metrics"]["stage_s"].items():
        assert samples[f"stage_seconds {stage}"] == seconds
    assert samples["padding_ratio"] == commit["metrics"]["padding_waste"]
    assert samples["audio_seconds"] == commit["totals"]["audio_s"]
    assert samples["wall_seconds"] >= commit["wall_s"]
    assert (samples["skipped_recordings"], samples["failed_recordings"]) == (0, 1)


def test_what_failed_is_logged_once(job: Job) -> None:
    lines = [json.loads(line) for line in job.first.err]
    about = {line["recording_id"]: line for line in lines if "recording_id" in line}
    assert len(about) == len(lines) == 2
    assert about["bad.wav"]["status"] == "failed"
    assert about["bad.wav"]["stage"] == "plan"
    assert about["bad.wav"]["error_type"] == "UnreadableAudioError"
    assert about["bad.wav"]["audio_uri"].endswith("/bad.wav")
    assert about["torn.flac"]["status"] == "partial"


def test_the_summary_has_a_line_for_it(job: Job) -> None:
    (line,) = [line for line in job.first.out.splitlines() if "padding" in line]
    assert "1 UnreadableAudioError" in line
    assert line.startswith(f"{job.commit['metrics']['padding_waste']:.1%} padding; ")


def test_nothing_left_to_do(job: Job) -> None:
    samples = job.again.samples
    assert job.again.code == samples["exit_code"] == 3
    assert (samples["skipped_recordings"], samples["failed_recordings"]) == (3, 1)
    assert samples["recordings ok"] == samples["audio_seconds"] == 0
    assert samples["success_timestamp_seconds"] > job.first.samples["success_timestamp_seconds"]


def test_misuse(job: Job) -> None:
    samples = job.misused.samples
    assert job.misused.code == samples["exit_code"] == 2
    assert samples["success_timestamp_seconds"] == job.again.samples["success_timestamp_seconds"]
    assert "recordings ok" not in samples
    (line,) = map(json.loads, job.misused.err)
    assert line["level"] == "ERROR"
    assert "1 to 30 s" in line["message"]


def test_units_are_those_that_people_read() -> None:
    counts = {
        "recognized_audio_ms": 7_500,
        "padded_audio_ms": 10_000,
        "store_retries": 2,
        "stage_us.decode": 1_500_000,
        "batches": 3,
    }
    assert describe(counts, {}, recordings_skipped=4) == {
        "recordings_skipped": 4,
        "recognized_audio_s": 7.5,
        "padded_audio_s": 10.0,
        "padding_waste": 0.25,
        "store_retries": 2,
        "stage_s": {"decode": 1.5},
        "counters": {"batches": 3},
        "distributions": {},
    }
    assert describe({}, {}, 0)["padding_waste"] is None


def test_a_commit_outlives_what_happens_to_its_metrics(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    commit = {"run_id": "r", "totals": {"ok": 1}}
    metrics = describe({}, {}, 0)
    full = add_to_commit(commit, metrics, f"{tmp_path}/runs/r.json", Stores())
    assert full == {**commit, "metrics": metrics}
    assert (tmp_path / "runs").read_text() == "in the way"


def test_a_commit_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    path = tmp_path / "runs" / "r.json"
    path.write_text('{"run_id": "r"}')
    full = add_to_commit({"run_id": "r"}, describe({}, {}, 0), str(path), Stores())
    assert json.loads(path.read_text()) == full
    assert list(path.parent.iterdir()) == [path]
