"""A whole job with a checkpoint that NeMo saved."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from models.card import GREEDY, OPEN
from models.decode.word_scores import OpenSearchOptions
from pipeline.cli import main
from pipeline.config import TranscriptionConfig
from pipeline.errors import ConfigurationError
from tests.conftest import DATA

SPEECH = str(DATA / "audio" / "librispeech-1089-134691-0000.flac")
QUARTZNET = f"nemo:{DATA / 'nemo' / 'quartznet.nemo'}"
CONFORMER = f"nemo:{DATA / 'nemo' / 'conformer.nemo'}"


@pytest.mark.parametrize(
    ("model", "decoder"),
    [(QUARTZNET, "greedy"), (f"{CONFORMER}#language=en", "beam")],
)
def test_a_job_with_a_checkpoint(tmp_path: Path, model: str, decoder: str) -> None:
    output = tmp_path / "out"
    arguments = ["--output", str(output), "--model", model, "--decoder", decoder]
    assert main(["transcribe", SPEECH, *arguments, "--num-workers", "1"]) == 0
    (row,) = pq.read_table(output / "recordings").to_pylist()
    assert row["model"] == model and row["status"] == "ok"
    assert row["language"] == ("en" if "language" in model else "und")
    assert row["model_fingerprint"]
    (segment,) = pq.read_table(output / "transcripts").to_pylist()
    times = [time for word in segment["words"] for time in (word["start"], word["end"])]
    assert times == sorted(times) and times[-1] <= row["duration"]


def config(model: str, decoder: str = "beam") -> TranscriptionConfig:
    return TranscriptionConfig(sources=("a",), output="b", model=model, decoder=decoder)


def test_the_decoder_that_suits_the_model() -> None:
    assert config("en-phoneme-ctc").decoding == "lexicon"
    assert config(f"{QUARTZNET}#language=en").decoding == OPEN
    assert config(f"{QUARTZNET}#language=en", "lexicon").decoding == "lexicon"
    assert config(QUARTZNET, "greedy").decoding == GREEDY
    recipe = config(f"{CONFORMER}#language=en").decoder_recipe
    assert recipe is not None and isinstance(recipe.options, OpenSearchOptions)
    assert config(QUARTZNET, "greedy").decoder_recipe is None


@pytest.mark.parametrize(
    ("model", "decoder", "message"),
    [
        ("en-phoneme-ctc", "open", "goes with lexicon or greedy only"),
        (f"{CONFORMER}#language=en", "lexicon", "goes with open or greedy only"),
        (f"{CONFORMER}#language=de", "beam", "goes with greedy only"),
        (QUARTZNET, "beam", "does not say its language.*#language=en"),
    ],
)
def test_a_decoder_that_does_not_go_with_the_model(model: str, decoder: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        _ = config(model, decoder).decoding


def test_what_changes_the_words_changes_the_fingerprint() -> None:
    model = f"{QUARTZNET}#language=en"
    prints = {config(model, decoder).fingerprint() for decoder in ("open", "lexicon", "greedy")}
    assert len(prints) == 3
    assert config(model).fingerprint() == config(model, "open").fingerprint()
