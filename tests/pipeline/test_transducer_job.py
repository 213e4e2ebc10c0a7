"""A job with a transducer: through the same stages as CTC, alone or beside others."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import soundfile

from models import load_model
from pipeline.cli import main
from tests.models.emformers import emformer, noise, write_folder

LENGTHS = {"a": 31_000, "b": 12_345, "c": 40_000}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for start, (name, length) in enumerate(LENGTHS.items()):
        sound = noise(60_000)[start * 5_000 :][:length]
        soundfile.write(folder / f"{name}.wav", sound, 16_000, subtype="FLOAT")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"emformer:{write_folder(tmp_path_factory.mktemp('model'), emformer(seed=4))}"


def words_of(output: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in pq.read_table(output / "transcripts").to_pylist():
        found.setdefault(Path(row["audio_uri"]).stem, []).extend(row["words"])
    return found


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_neighbours_change_nothing(archive: Path, model: str, decoder: str, tmp_path: Path) -> None:
    arguments = ["--model", model, "--decoder", decoder]
    assert main(["transcribe", str(archive), "--output", str(tmp_path / "all"), *arguments]) == 0
    together = words_of(tmp_path / "all")
    assert sum(len(words) for words in together.values()) > 5
    for name, length in LENGTHS.items():
        source, output = str(archive / f"{name}.wav"), str(tmp_path / name)
        assert main(["transcribe", source, "--output", output, *arguments]) == 0
        alone = words_of(tmp_path / name).get(name, [])
        mine = together.get(name, [])
        assert [(w["word"], w["start"], w["end"]) for w in mine] == [
            (w["word"], w["start"], w["end"]) for w in alone
        ]
        for word in mine:
            assert 0 <= word["start"] <= word["end"] <= length / 16_000
            assert 0 < word["confidence"] <= 1


def test_words_and_times_are_those_of_the_model(archive: Path, model: str, tmp_path: Path) -> None:
    source = archive / "a.wav"
    arguments = ["--model", model, "--decoder", "greedy", "--output", str(tmp_path)]
    assert main(["transcribe", str(source), *arguments]) == 0
    recognizer = load_model(model)
    samples, _ = soundfile.read(source, dtype="float32")
    (expected,) = recognizer.recognize_greedily([samples])
    found = words_of(tmp_path)["a"]
    assert [word["word"] for word in found] == [word.text for word in expected.words]
    for word, frames in zip(found, expected.words, strict=True):
        start = max(0, recognizer.card.frame_edge_samples(frames.start_frame))
        assert word["start"] == pytest.approx(start / 16_000)
