import json
from pathlib import Path

import pytest

from models import store
from models.nemo.published import PUBLISHED
from models.store import local_path
from pipeline.cli import main
from tests.conftest import DATA

CHECKPOINT = f"nemo:{DATA / 'nemo' / 'fastconformer.nemo'}"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "cache"))


def said_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["models", *arguments]) == 0
    return capsys.readouterr().out


def test_the_list_names_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said_of(capsys).splitlines()
    assert any(line.split()[:2] == ["en-phoneme-ctc", "en"] and "yes" in line for line in lines)
    for published in PUBLISHED.values():
        (line,) = (line for line in lines if line.split()[:1] == [published.name])
        assert published.licence in line and "no" in line.split()


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(said_of(capsys, "--json"))
    (parakeet,) = (each for each in listed if each["name"] == "parakeet-ctc-1.1b")
    assert parakeet["licence"] == "CC-BY-4.0" and parakeet["parameters_m"] == 1_100
    assert parakeet["weights"].startswith("https://") and parakeet["here"] is False


def test_a_checkpoint_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    (described,) = json.loads(said_of(capsys, CHECKPOINT, "--json"))
    assert described["description"] == "NeMo ConformerEncoder, CTC, 40 SentencePiece"
    assert described["sample_rate_hz"] == 16_000 and described["frame_ms"] == 80
    assert described["parameters"] == 14_249
    assert described["decoders"] == ["greedy"] and described["language"] == "und"
    text = said_of(capsys, f"{CHECKPOINT}#language=en", "en-phoneme-ctc")
    assert "14,249" in text and "open greedy" in text and "lexicon greedy" in text


def test_what_is_remote_is_not_fetched_to_describe_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert "huggingface.co" in said_of(capsys, "parakeet-ctc-1.1b")
    assert not local_path(PUBLISHED["parakeet-ctc-1.1b"].uri).exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wav3vec", "choose from: en-phoneme-ctc"),
        ("nemo:/nowhere/a.nemo", "no checkpoint at /nowhere/a.nemo"),
        (f"nemo:{DATA / 'manifest.jsonl'}", "is no .nemo file"),
    ],
)
def test_what_cannot_be_described(
    capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    assert main(["models", name, "--fetch"]) == 2
    assert message in capsys.readouterr().err
