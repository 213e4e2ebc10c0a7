"""What is known of one model, whatever family it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from models.errors import CheckpointError
from models.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from models.emformer_rnnt import EmformerRnnt

UNDETERMINED = "und"
"""The language of a model that does not say which it hears (ISO 639-2)."""

GREEDY, LEXICON, OPEN, TRANSDUCER = "greedy", "lexicon", "open", "transducer"


class CtcNetwork(Protocol):
    """A module from waveforms to log-probabilities."""

    def emit(self, waveforms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Waveforms `(samples_i,)` to log-probabilities `(B, T, C)` and lengths `(B,)`.

        An item's frames do not depend on the others of the batch.
        """

    def eval(self) -> CtcNetwork: ...

    def requires_grad_(self, requires_grad: bool = True) -> CtcNetwork: ...

    def to(self, device: torch.device) -> CtcNetwork: ...


class AcousticModel(Protocol):
    """Weights on this machine. Small and picklable: the network is loaded where it is used.

    Every method raises `CheckpointError` where a file is missing, damaged or not supported.
    """

    def vocabulary(self) -> Vocabulary: ...

    def fingerprint(self) -> str:
        """Identifies the emissions by the content of the files: 32 hexadecimal digits."""

    def parameters(self) -> int:
        """How many numbers were trained."""

    def load(self) -> CtcNetwork | EmformerRnnt: ...


@dataclass(frozen=True)
class LanguageFiles:
    """A language's n-gram model and the words that it knows.

    `lexicon` has a line `word TAB tokens` for each of them; the tokens are those of the embedded
    model, and other models spell the words by their letters.
    """

    lexicon: Path
    language_model: Path


@dataclass(frozen=True)
class ModelCard:
    """What a user needs to know of a model before naming it, and a job before using it.

    `frame_samples` lie between the centres of two emission frames, `first_centre_samples` before
    the first; a waveform of fewer than `shortest_samples` has no emission, one of more than
    `longest_s` is not heard at once. `decoders` are those that can read the emissions, the best
    one first. Tokens are letters or pieces of spelling, where `spells_words`, or sounds.
    """

    name: str
    language: str
    licence: str
    description: str
    sample_rate_hz: int
    frame_samples: int
    shortest_samples: int
    longest_s: float
    decoders: tuple[str, ...]
    acoustics: AcousticModel
    linguistics: LanguageFiles | None
    spells_words: bool = True
    first_centre_samples: int = 0

    def frame_edge_samples(self, frame: int) -> int:
        """Where a frame begins: half a frame before its centre, so maybe before the audio."""
        return frame * self.frame_samples + self.first_centre_samples - self.frame_samples // 2

    def vocabulary(self) -> Vocabulary:
        """Raises `CheckpointError` where the model's files are missing or damaged."""
        return self.acoustics.vocabulary()

    def acoustic_fingerprint(self) -> str:
        """Identifies the emissions: weights and vocabulary."""
        return self.acoustics.fingerprint()

    def linguistic_fingerprint(self) -> str:
        """Identifies what a beam search adds to the emissions: words and language model."""
        if self.linguistics is None:
            return ""
        return fingerprint(self.name, self.linguistics.lexicon, self.linguistics.language_model)

    def language_files(self) -> LanguageFiles:
        """Raises `CheckpointError` where there are none for the model's language."""
        if self.linguistics is None:
            raise CheckpointError(
                f"there is no language model for {self.name}, whose language is "
                f"{self.language!r}; use --decoder greedy"
            )
        return self.linguistics


def fingerprint(model: str, *paths: Path) -> str:
    """32 hexadecimal digits of the content of files. Raises `CheckpointError` for a missing one."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise CheckpointError(
                f"a part of model {model} is missing: {error}; reinstall beamscribe"
            ) from error
    return digest.hexdigest()[:32]
