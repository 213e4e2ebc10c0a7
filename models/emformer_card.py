"""Emformer transducers by name: the one that ships, torchaudio's bundles, folders of one's own.

A folder holds `acoustic.safetensors`, `shape.json` (the fields of `EmformerRnntShape`) and
`vocabulary.json` (`tokens`, the last of which is the `blank`; a word begins with `▁`), as
`weights/train_digits_rnnt.py` writes them; and optionally `card.json` with `language`, `licence`
and `description`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.card import GREEDY, TRANSDUCER, UNDETERMINED, ModelCard, fingerprint
from models.emformer_shape import EmformerRnntShape
from models.errors import CheckpointError, VocabularyError
from models.vocabulary import Vocabulary, WordMarks

if TYPE_CHECKING:
    from models.emformer_rnnt import EmformerRnnt

WEIGHTS = Path(__file__).parent / "weights"

LONGEST_S = 30.0
"""A bound on the padding of a batch; the encoder itself carries its state over any length."""

SHIPPED = {"en-digits-rnnt": WEIGHTS / "en_digits_rnnt"}
"""Names of transducers and their folders here."""

BUNDLES = {"emformer-rnnt-librispeech": "EMFORMER_RNNT_BASE_LIBRISPEECH"}
"""Names of models and of torchaudio's bundles."""

BUNDLE_FILES = {"emformer-rnnt-librispeech": "emformer_rnnt_base_librispeech.pt"}
"""Names of models and of the files that torchaudio keeps their weights in."""


@dataclass(frozen=True)
class EmformerFolder:
    """The transducer in `folder`. Raises `CheckpointError` where it is incomplete."""

    name: str
    folder: Path

    @property
    def weights_path(self) -> Path:
        return self.folder / "acoustic.safetensors"

    def vocabulary(self) -> Vocabulary:
        content = self._read("vocabulary.json")
        try:
            tokens, blank = tuple(content["tokens"]), content["blank"]
            if blank != len(tokens) - 1:
                raise VocabularyError(f"the blank is {blank}, expected the last, {len(tokens) - 1}")
            return Vocabulary(tokens, blank, None, WordMarks.PREFIX)
        except (KeyError, TypeError, VocabularyError) as error:
            raise self._damaged("vocabulary.json", error) from error

    def shape(self) -> EmformerRnntShape:
        try:
            return EmformerRnntShape(**self._read("shape.json"))
        except (TypeError, ValueError) as error:
            known = ", ".join(field.name for field in fields(EmformerRnntShape))
            raise self._damaged("shape.json", f"{error}; its fields are {known}") from error

    def card(self) -> Mapping[str, str]:
        content = self._read("card.json") if (self.folder / "card.json").exists() else {}
        return {key: str(value) for key, value in content.items()}

    def fingerprint(self) -> str:
        paths = (self.folder / name for name in ("shape.json", "vocabulary.json"))
        return fingerprint(self.name, self.weights_path, *paths)

    def parameters(self) -> int:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.weights_path, framework="pt") as file:
                names = [name for name in file.keys() if name.startswith("rnnt.")]  # noqa: SIM118
                return sum(prod(file.get_slice(name).get_shape()) for name in names)
        except (OSError, SafetensorError) as error:
            raise self._damaged("acoustic.safetensors", error) from error

    def load(self) -> EmformerRnnt:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from models.emformer_rnnt import EmformerRnnt

        network = EmformerRnnt(self.shape())
        try:
            state = load_file(self.weights_path)
            network.load_state_dict({key: tensor.float() for key, tensor in state.items()})
        except (OSError, SafetensorError, RuntimeError) as error:
            raise self._damaged("acoustic.safetensors", error) from error
        return network

    def _read(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._damaged(name, error) from error
        if not isinstance(content, dict):
            raise self._damaged(name, "it is no JSON object")
        return content

    def _damaged(self, name: str, reason: object) -> CheckpointError:
        return CheckpointError(
            f"{name} of model {self.name} cannot be used from {self.folder}: {reason}; write the "
            "folder anew, or reinstall beamscribe where the model ships with it"
        )


@dataclass(frozen=True)
class EmformerBundle:
    """A pipeline of torchaudio, which fetches its weights, statistics and pieces at first use."""

    name: str
    bundle: str

    def vocabulary(self) -> Vocabulary:
        pieces = self._fetch("get_token_processor").sp_model
        tokens = tuple(pieces.id_to_piece(index) for index in range(pieces.get_piece_size()))
        silent = {pieces.unk_id(), pieces.bos_id(), pieces.eos_id(), pieces.pad_id()} - {-1}
        return Vocabulary(
            (*tokens, "<blank>"), len(tokens), None, WordMarks.PREFIX, frozenset(silent)
        )

    def fingerprint(self) -> str:
        # A published bundle never changes: its name stands for its files.
        return hashlib.sha256(f"torchaudio {self.bundle}".encode()).hexdigest()[:32]

    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self._fetch("get_decoder").model.parameters())

    def load(self) -> EmformerRnnt:
        from models.emformer_rnnt import EmformerRnnt

        network = EmformerRnnt(EmformerRnntShape())
        network.rnnt.load_state_dict(self._fetch("get_decoder").model.state_dict())
        statistics = self._fetch("get_feature_extractor").state_dict()
        for name in ("mean", "invstddev"):
            (found,) = (value for key, value in statistics.items() if key.endswith(f".{name}"))
            getattr(network.features, name).copy_(found)
        return network

    def _fetch(self, part: str) -> Any:
        from urllib.error import URLError

        import torchaudio

        bundle = getattr(torchaudio.pipelines, self.bundle)
        try:
            return getattr(bundle, part)()
        except (URLError, OSError, RuntimeError) as error:
            raise CheckpointError(
                f"torchaudio's {self.bundle} cannot be fetched for model {self.name}: {error}; "
                "run once on a machine that may download it and copy its torch hub cache"
            ) from error


def folder_card(name: str, folder: Path) -> ModelCard:
    """The card of the transducer in `folder`. Raises `CheckpointError`."""
    model = EmformerFolder(name, folder)
    card = model.card()
    return _card(
        name,
        model,
        model.shape(),
        language=card.get("language", UNDETERMINED),
        licence=card.get("licence", "not stated"),
        description=card.get("description", "an Emformer transducer"),
    )


def bundle_card(name: str) -> ModelCard:
    return _card(
        name,
        EmformerBundle(name, BUNDLES[name]),
        EmformerRnntShape(),
        language="en",
        licence="not stated; trained on LibriSpeech (CC BY 4.0)",
        description="English SentencePiece transducer, 77 M parameters, read speech; torchaudio's",
    )


def bundle_is_here(name: str) -> bool:
    """Whether torchaudio has fetched the bundle's weights before."""
    import torch

    return any((Path(torch.hub.get_dir()) / "torchaudio").glob(f"**/{BUNDLE_FILES[name]}"))


def _card(
    name: str,
    model: EmformerFolder | EmformerBundle,
    shape: EmformerRnntShape,
    *,
    language: str,
    licence: str,
    description: str,
) -> ModelCard:
    return ModelCard(
        name=name,
        language=language,
        licence=licence,
        description=description,
        sample_rate_hz=shape.sample_rate_hz,
        frame_samples=shape.frame_samples,
        shortest_samples=shape.num_fft // 2 + 1,
        longest_s=LONGEST_S,
        decoders=(TRANSDUCER, GREEDY),
        acoustics=model,
        linguistics=None,
        first_centre_samples=(shape.stride - 1) * shape.hop_samples // 2,
    )
