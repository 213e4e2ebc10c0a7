import pickle
import shutil
from pathlib import Path

import pytest

from models.card import GREEDY, LEXICON, OPEN
from models.errors import CheckpointError
from models.nemo.card import NemoReference, nemo_card
from models.nemo.published import PUBLISHED
from models.registry import find_model
from tests.models.nemo.checkpoints import FOLDER

HASH = "0" * 64


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("a.nemo", NemoReference("a.nemo")),
        ("a.nemo#language=de", NemoReference("a.nemo", None, "de")),
        (f"s3://b/a.nemo#sha256={HASH}", NemoReference("s3://b/a.nemo", HASH)),
        (f"a.nemo#sha256={HASH}&language=en", NemoReference("a.nemo", HASH, "en")),
        (
            "https://h/stt_fr_conformer.nemo",
            NemoReference("https://h/stt_fr_conformer.nemo", None, "fr"),
        ),
        ("x/stt_fr_c.nemo#language=en", NemoReference("x/stt_fr_c.nemo", None, "en")),
    ],
)
def test_references(text: str, reference: NemoReference) -> None:
    assert NemoReference.parse(text) == reference


@pytest.mark.parametrize("text", ["", "#language=en", "a.nemo#lang=en", "a.nemo#en"])
def test_references_that_say_something_else(text: str) -> None:
    with pytest.raises(CheckpointError, match="nemo:PATH-OR-URL"):
        NemoReference.parse(text)


@pytest.mark.parametrize(
    ("name", "language", "decoders"),
    [
        ("quartznet", "en", (OPEN, LEXICON, GREEDY)),
        ("quartznet", "und", (GREEDY,)),
        ("conformer", "en", (OPEN, GREEDY)),
        ("conformer", "de", (GREEDY,)),
    ],
)
def test_decoders_are_those_that_can_read_it(
    name: str, language: str, decoders: tuple[str, ...]
) -> None:
    uri = str(FOLDER / f"{name}.nemo")
    assert nemo_card(name, NemoReference(uri, language=language)).decoders == decoders


def test_a_card_is_small_and_travels() -> None:
    card = find_model(f"nemo:{FOLDER / 'fastconformer.nemo'}#language=en")
    assert (card.sample_rate_hz, card.frame_samples, card.shortest_samples) == (16_000, 1_280, 400)
    assert card.licence == "not stated in the file"
    assert "40 SentencePiece" in card.description
    copy = pickle.loads(pickle.dumps(card))
    assert copy == card and copy.vocabulary() == card.vocabulary()
    assert len(pickle.dumps(card)) < 5_000


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.nemo"
    shutil.copy(FOLDER / "quartznet.nemo", copy)
    first = find_model(f"nemo:{FOLDER / 'quartznet.nemo'}").acoustic_fingerprint()
    assert find_model(f"nemo:{copy}").acoustic_fingerprint() == first
    copy.write_bytes(copy.read_bytes() + b"\0")
    assert find_model(f"nemo:{copy}").acoustic_fingerprint() != first


def test_a_missing_file_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint at /nowhere/a\.nemo"):
        find_model("nemo:/nowhere/a.nemo")


def test_published_checkpoints_are_complete() -> None:
    families = ("quartznet", "citrinet", "conformer", "fastconformer", "parakeet")
    assert all(any(family in name for name in PUBLISHED) for family in families)
    for name, published in PUBLISHED.items():
        assert published.name == name
        assert published.uri.startswith("https://") and published.uri.endswith(".nemo")
        assert published.parameters > 1 and published.licence and published.language
