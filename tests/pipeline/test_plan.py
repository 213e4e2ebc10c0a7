"""`beamscribe plan`: tables for people, JSON for programs, an exit code for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.calibration import Calibration
from pipeline.cli import main
from pipeline.plan import as_fields, as_tables, show_s
from pipeline.survey import Survey, survey_sources
from tests.conftest import DATA
from tests.pipeline.test_survey import config, write_archive


@pytest.fixture
def archive(tmp_path: Path) -> str:
    return write_archive(tmp_path)


def survey(*sources: str) -> Survey:
    return survey_sources(config(*sources), lambda track: False, lambda count: None)


def test_json_says_everything(
    archive: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["plan", archive, "--output", str(tmp_path / "out"), "--json", "--no-calibrate"]
    assert main(command) == 3
    said = json.loads(capsys.readouterr().out)
    assert not (tmp_path / "out").exists()
    assert said["recordings"] == 9
    assert said["unreadable"] == sum(fault["count"] for fault in said["faults"]) == 5
    assert said["audio_s"] == 88.5
    assert said["to_do"] == {"tracks": 5, "audio_s": 88.5}
    assert said["done"] == {"tracks": 0, "audio_s": 0.0}
    assert said["formats"]["flac"] == {"recordings": 2, "audio_s": 22.5}
    assert said["faults"][0]["count"] == 2
    assert 0 <= said["batches"]["padding"] < 1
    assert said["expected"] is None


def test_tables_say_the_same(archive: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", archive, "--output", "out", "--no-calibrate"]) == 3
    said = capsys.readouterr().out
    for part in ("9, 5 cannot be read", "1.5 min in 5 tracks", "flac", "not measured"):
        assert part in said
    assert "missing-1.wav" in said.replace("│", "").replace("\n", "").replace(" ", "")


def test_a_manifest_without_faults_is_0(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan", str(DATA / "manifest.jsonl"), "--output", "out", "--no-calibrate"]
    assert main(command) == 0
    assert "cannot be read" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jsonl"], "missing.jsonl does not exist"),
        ([str(DATA), "--frobnicate"], "unknown argument: --frobnicate"),
        ([str(DATA), "--segment-seconds", "31"], "1 to 30 s"),
        ([str(DATA), "--model", "wav3vec"], "choose from: en-phoneme-ctc"),
        ([str(DATA), str(DATA)], "stands twice"),
    ],
)
def test_misuse_is_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *arguments, "--output", "out", "--no-calibrate"]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


def test_flags_of_beam_are_taken_as_transcribe_takes_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["plan", str(DATA), "--output", "out", "--no-calibrate", "--runner", "FlinkRunner"]
    assert main(command) == 0


def test_an_expected_time_counts_what_is_to_do(archive: str) -> None:
    found = survey(archive)
    found.audio_done_s = 48.5
    expected = as_fields(found, Calibration(start_s=4.0, rtfx=20.0, audio_s=80.0))["expected"]
    assert expected == {"wall_s": 6.0, "start_s": 4.0, "rtfx": 20.0, "measured_audio_s": 80.0}


def test_nothing_readable_is_no_table_of_kinds(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("broken\n")
    found = survey(str(tmp_path / "m.jsonl"))
    assert len(as_tables(found, None, config("-"))) == 2
    assert as_fields(found, None)["batches"] == {"count": 0, "segments": 0, "padding": 0.0}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0 s"), (59.4, "59 s"), (90.0, "1.5 min"), (5400.0, "1.5 h"), (4.5e6, "1,250.0 h")],
)
def test_seconds_as_people_say_them(seconds: float, shown: str) -> None:
    assert show_s(seconds) == shown


@pytest.mark.slow
def test_a_plan_measures_real_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speech = str(DATA / "audio" / "librispeech-1089-134691-0000.flac")
    command = ["plan", speech, "--output", str(tmp_path / "out"), "--decoder", "greedy", "--json"]
    assert main(command) == 0
    expected = json.loads(capsys.readouterr().out)["expected"]
    assert expected["measured_audio_s"] >= 80
    assert expected["rtfx"] > 0
    assert expected["wall_s"] >= expected["start_s"] > 0
    assert not (tmp_path / "out").exists()
