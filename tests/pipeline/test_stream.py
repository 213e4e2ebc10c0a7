import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr

from pipeline.cli import main
from pipeline.stream import read_file, read_pcm

SPEECH = Path(__file__).parents[1] / "data/audio/librispeech-1089-134691-0000.flac"


def test_words_come_partial_and_then_final(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", str(SPEECH), "--json"]) == 0
    said = capsys.readouterr()
    updates = [json.loads(line) for line in said.out.splitlines()]
    assert {update["type"] for update in updates} == {"partial", "final"}
    final = [word for update in updates if update["type"] == "final" for word in update["words"]]
    assert [word["word"] for word in final] == ["he", "could", "wait", "no", "longer"]
    heard = [update["heard"] for update in updates]
    assert heard == sorted(heard)
    for word in final:
        assert 0 <= word["start"] <= word["end"] <= heard[-1]
        assert 0 <= word["confidence"] <= 1
    assert "attends to whole recordings" in said.err
    assert "a chunk took" in said.err


def test_pcm_on_stdin_says_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, rate_hz = soundfile.read(SPEECH, dtype="int16")
    assert rate_hz == 16_000
    raw = io.BytesIO(samples.astype("<i2").tobytes() + b"\x01")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=raw))
    assert main(["stream", "-"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert " ".join(text for _, kind, text in lines if kind == "final") == "he could wait no longer"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.wav"], "nowhere.wav cannot be read as audio"),
        ([str(SPEECH), "--model", "none"], "there is no model named 'none'"),
        ([str(SPEECH), "--decoder", "best"], "--decoder is 'best'"),
        ([str(SPEECH), "--chunk-seconds", "0"], "must be positive"),
    ],
)
def test_misuse_exits_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stream", *arguments]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


def test_a_file_in_chunks_is_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    random = np.random.default_rng(0)
    sound = random.uniform(-0.5, 0.5, (8_000, 2)).astype(np.float32)
    soundfile.write(path, sound, 8_000, subtype="FLOAT")
    chunks = list(read_file(str(path), 0.1, 16_000))
    assert len(chunks) > 8
    expected = soxr.resample(sound.mean(axis=1), 8_000, 16_000)
    np.testing.assert_allclose(np.concatenate(chunks), expected, atol=1e-4)


def test_pcm_may_arrive_in_odd_pieces() -> None:
    class Dripping(io.BytesIO):
        def read1(self, size: int = -1, /) -> bytes:
            return super().read(3)

    samples = np.arange(-2_000, 2_000, dtype="<i2")
    (whole,) = [np.concatenate(list(read_pcm(Dripping(samples.tobytes()), 16_000, 16_000)))]
    np.testing.assert_allclose(whole, samples / 32_768, atol=1e-6)
