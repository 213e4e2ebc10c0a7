"""What is wrong with a command is said before anything starts."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.conftest import DATA

SPEECH = str(DATA / "audio" / "librispeech-1089-134691-0000.flac")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-manifest.jsonl"], "no-such-manifest.jsonl does not exist"),
        ([SPEECH, SPEECH], "stands twice"),
        (
            [SPEECH, "--model", "wav3vec"],
            "choose from: en-phoneme-ctc, en-digits-rnnt",
        ),
        ([SPEECH, "--decoder", "magic"], "choose beam, lexicon, open, transducer or greedy"),
        ([SPEECH, "--batch-seconds", "10"], "must hold one segment"),
        ([SPEECH, "--segment-seconds", "31"], "1 to 30 s"),
        ([SPEECH, "--segmentation", "loud"], "choose fixed or speech or quiet"),
        ([SPEECH, "--num-workers", "0"], "at least 1"),
        ([SPEECH, "--device", "tpu"], "choose cpu, cuda or cuda:N"),
        ([SPEECH, "--frobnicate", "7"], "unknown argument: --frobnicate 7"),
        ([SPEECH, "--runner", "DaskRunner"], "loses rows"),
        (["nowhere://bucket/a.wav"], "nowhere://bucket/a.wav cannot be read"),
    ],
)
def test_misuse_starts_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(["transcribe", *arguments, "--output", str(output)]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert not output.exists()


def test_an_empty_manifest_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "empty.jsonl"
    manifest.write_text("\n\n")
    assert main(["transcribe", str(manifest), "--output", str(tmp_path / "out")]) == 2
    assert "names no recordings" in capsys.readouterr().err


def test_an_output_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("mine")
    assert main(["transcribe", SPEECH, "--output", str(tmp_path / "out")]) == 2
    assert "name another --output" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_a_job_that_cannot_commit_fails_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "transcripts").write_text("in the way")
    watched = ["--metrics-file", str(tmp_path / "job.prom")]
    assert main(["transcribe", SPEECH, "--output", str(tmp_path), *watched]) == 1
    assert f'last_exit_code{{output="{tmp_path}"}} 1\n' in (tmp_path / "job.prom").read_text()
    said = capsys.readouterr()
    assert said.err.startswith("beamscribe: the job failed: the run cannot be committed")
    assert said.out == ""
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["transcribe", "plan", "evaluate"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"example: beamscribe {command}" in capsys.readouterr().out


def test_an_interrupt_ends_with_130_and_commits_nothing(tmp_path: Path) -> None:
    # A runner of tests in the background ignores SIGINT, and children would inherit that.
    command = [sys.executable, "-m", "pipeline", "transcribe", str(DATA), "--output"]
    job = subprocess.Popen(
        [*command, str(tmp_path / "out"), "--metrics-file", str(tmp_path / "job.prom")],
        cwd=DATA.parent.parent,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "out" / "_staging").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(job.pid, signal.SIGINT)
    _, stderr = job.communicate(timeout=60)
    assert job.returncode == 130, stderr.decode()
    assert b"interrupted" in stderr
    assert f'last_exit_code{{output="{tmp_path}/out"}} 130\n' in (tmp_path / "job.prom").read_text()
    assert not (tmp_path / "out" / "runs").exists()
