"""The models whose weights ship with beamscribe, each in a folder of `weights`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.card import GREEDY, LEXICON, LanguageFiles, ModelCard, fingerprint
from models.errors import CheckpointError
from models.vocabulary import Vocabulary

if TYPE_CHECKING:
    from models.phoneme_ctc import PhonemeCtc

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class EmbeddedModel:
    """The acoustic model in `folder`. Raises `CheckpointError` where it is incomplete."""

    name: str
    folder: Path

    @property
    def weights_path(self) -> Path:
        return self.folder / "acoustic.safetensors"

    @property
    def vocabulary_path(self) -> Path:
        return self.folder / "vocabulary.json"

    def vocabulary(self) -> Vocabulary:
        try:
            fields = json.loads(self.vocabulary_path.read_text(encoding="utf-8"))
            return Vocabulary(tuple(fields["tokens"]), fields["blank"], fields["word_boundary"])
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"the vocabulary of model {self.name} cannot be read from {self.vocabulary_path}: "
                f"{error}; reinstall beamscribe"
            ) from error

    def fingerprint(self) -> str:
        return fingerprint(self.name, self.weights_path, self.vocabulary_path)

    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.load().parameters())

    def load(self) -> PhonemeCtc:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from models.phoneme_ctc import PhonemeCtc

        network = PhonemeCtc()
        try:
            state = load_file(self.weights_path)
            network.load_state_dict({key: tensor.float() for key, tensor in state.items()})
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(
                f"the weights of model {self.name} cannot be loaded from {self.weights_path}: "
                f"{error}; reinstall beamscribe"
            ) from error
        return network


def language_files(folder: Path) -> LanguageFiles:
    return LanguageFiles(folder / "lexicon.tsv.gz", folder / "trigram.kenlm")


EN_PHONEME_CTC = ModelCard(
    name="en-phoneme-ctc",
    language="en",
    licence="Apache-2.0",
    description="English phonemes, 2.4 M parameters, with a trigram; ships with beamscribe",
    sample_rate_hz=16_000,
    frame_samples=320,
    shortest_samples=400,
    longest_s=30.0,
    decoders=(LEXICON, GREEDY),
    acoustics=EmbeddedModel("en-phoneme-ctc", WEIGHTS / "en_phoneme_ctc"),
    linguistics=language_files(WEIGHTS / "en_phoneme_ctc"),
    spells_words=False,
)

LANGUAGES = {"en": language_files(WEIGHTS / "en_phoneme_ctc")}
"""The language models that ship with beamscribe, by primary subtag of BCP 47."""
