"""`--ping`: all is checked, nothing is transcribed, nothing is left behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.cli import main
from tests.conftest import DATA

SPEECH = str(DATA / "audio" / "librispeech-1089-134691-0000.flac")


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "out"
    assert main(["transcribe", SPEECH, "--output", str(output), "--ping"]) == 0
    said = capsys.readouterr()
    assert said.out == (
        "would transcribe 1 recordings (1 tracks, 2 s of audio) with en-phoneme-ctc\n"
        "nothing was transcribed or written\n"
    )
    assert said.err == ""
    assert tree(tmp_path) == {}


def test_what_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "two.wav", np.zeros((96_000, 2)), 16_000)
    (tmp_path / "bad.wav").write_bytes(b"a letter")
    rows = [{"uri": "two.wav", "channel": "each"}, {"uri": "bad.wav"}, {"uri": "gone.wav"}]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)) + '\n{"torn')
    (tmp_path / "out").mkdir()
    before = tree(tmp_path)
    arguments = ["transcribe", str(tmp_path / "m.jsonl"), "--output", str(tmp_path / "out")]
    assert main([*arguments, "--ping", "--metrics-file", str(tmp_path / "job.prom")]) == 3
    said = capsys.readouterr().out
    assert said.startswith("would transcribe 1 recordings (2 tracks, 12 s of audio)")
    lines = said.splitlines()
    assert "3 recordings cannot be read:" in lines
    assert lines.count("1 UnreadableAudioError, for example:") == 2
    assert f"  {tmp_path}/gone.wav does not exist" in lines
    assert "1 ManifestLineError, for example:" in lines
    assert tree(tmp_path) == before


def test_what_an_earlier_run_did_is_not_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"a letter")
    soundfile.write(tmp_path / "silence.wav", np.zeros(16_000), 16_000)
    output = tmp_path / "out"
    arguments = ["transcribe", str(tmp_path), "--output", str(output)]
    assert main(arguments) == 3
    before = tree(output)
    soundfile.write(tmp_path / "new.wav", np.zeros(16_000), 16_000)
    capsys.readouterr()
    assert main([*arguments, "--ping"]) == 3
    assert capsys.readouterr().out == (
        "would transcribe 1 recordings (1 tracks, 1 s of audio) with en-phoneme-ctc\n"
        "2 recordings were done before (1 failed; --retry-failed tries again)\n"
        "nothing was transcribed or written\n"
    )
    assert main([*arguments, "--ping", "--retry-failed"]) == 3
    assert "bad.wav is not audio" in capsys.readouterr().out
    assert tree(output) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-manifest.jsonl"], "no-such-manifest.jsonl does not exist"),
        ([SPEECH, SPEECH], "stands twice"),
        ([SPEECH, "--model", "wav3vec"], "choose from: en-phoneme-ctc"),
        ([SPEECH, "--model", "nemo:missing.nemo"], "missing.nemo"),
        ([SPEECH, "--frobnicate", "7"], "unknown argument: --frobnicate 7"),
    ],
)
def test_what_would_stop_the_job_stops_it_here(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(["transcribe", *arguments, "--output", str(output), "--ping"]) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_an_output_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("mine")
    assert main(["transcribe", SPEECH, "--output", str(tmp_path / "out"), "--ping"]) == 2
    assert "name another --output" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"
