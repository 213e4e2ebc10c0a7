"""The models that can be named, and where their parts lie."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from models.errors import CheckpointError
from models.vocabulary import Vocabulary

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class ModelCard:
    """What a user needs to know of a model before naming it.

    `frame_samples` lie between the centres of two emission frames; a waveform of fewer than
    `shortest_samples` has no emission. Paths are on this machine.
    """

    name: str
    language: str
    licence: str
    description: str
    sample_rate_hz: int
    frame_samples: int
    shortest_samples: int
    folder: Path

    @property
    def acoustic_path(self) -> Path:
        return self.folder / "acoustic.safetensors"

    @property
    def lexicon_path(self) -> Path:
        return self.folder / "lexicon.tsv.gz"

    @property
    def language_model_path(self) -> Path:
        return self.folder / "trigram.kenlm"

    def vocabulary(self) -> Vocabulary:
        """Raises `CheckpointError` where the file is missing or damaged."""
        path = self.folder / "vocabulary.json"
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            return Vocabulary(tuple(fields["tokens"]), fields["blank"], fields["word_boundary"])
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"the vocabulary of model {self.name} cannot be read from {path}: {error}; "
                "reinstall beamscribe"
            ) from error

    def acoustic_fingerprint(self) -> str:
        """Identifies the emissions: weights and vocabulary."""
        return _fingerprint(self, self.acoustic_path, self.folder / "vocabulary.json")

    def linguistic_fingerprint(self) -> str:
        """Identifies what the beam search adds to the emissions: lexicon and language model."""
        return _fingerprint(self, self.lexicon_path, self.language_model_path)


CARDS = {
    card.name: card
    for card in (
        ModelCard(
            name="en-phoneme-ctc",
            language="en",
            licence="Apache-2.0",
            description="English phonemes, 2.4 M parameters, with a trigram; ships with beamscribe",
            sample_rate_hz=16_000,
            frame_samples=320,
            shortest_samples=400,
            folder=WEIGHTS / "en_phoneme_ctc",
        ),
    )
}


def find_model(name: str) -> ModelCard:
    """The card of a model. Raises `CheckpointError` naming those there are."""
    try:
        return CARDS[name]
    except KeyError:
        raise CheckpointError(
            f"there is no model named {name!r}; choose from: {', '.join(sorted(CARDS))}"
        ) from None


def _fingerprint(card: ModelCard, *paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise CheckpointError(
                f"a part of model {card.name} is missing: {error}; reinstall beamscribe"
            ) from error
    return digest.hexdigest()[:32]
