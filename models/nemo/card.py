"""The card of a NeMo checkpoint: `nemo:URI#sha256=...&language=...`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from models.card import GREEDY, LEXICON, OPEN, UNDETERMINED, ModelCard, fingerprint
from models.embedded import LANGUAGES
from models.errors import CheckpointError
from models.nemo.checkpoint import NemoCheckpoint
from models.store import fetch
from models.vocabulary import Vocabulary, WordMarks

if TYPE_CHECKING:
    from models.nemo.ctc import NemoCtc

LONGEST_S = 30.0
"""Attention over the whole of a window costs the square of its length."""

_PUBLISHED_NAME = re.compile(r"stt_([a-z]{2,3})_")


@dataclass(frozen=True)
class NemoReference:
    """Where a checkpoint is, which one is meant, and what language it hears.

    Written `URI#sha256=...&language=...`, the part after `#` and each half of it optional. Without
    a language, a file named as NVIDIA names them (`stt_en_...`) says it.
    """

    uri: str
    sha256: str | None = None
    language: str = UNDETERMINED

    @classmethod
    def parse(cls, text: str) -> NemoReference:
        """Raises `CheckpointError` for an empty URI or another word after `#`."""
        uri, _, fragment = text.partition("#")
        fields = dict(parse_qsl(fragment, keep_blank_values=True))
        if not uri or set(fields) - {"sha256", "language"} or (fragment and not fields):
            raise CheckpointError(
                f"nemo:{text} cannot be read; write nemo:PATH-OR-URL, and optionally after it "
                "#language=en, #sha256=... or #sha256=...&language=en"
            )
        named = _PUBLISHED_NAME.match(uri.rpartition("/")[2])
        language = fields.get("language") or (named[1] if named else UNDETERMINED)
        return cls(uri, fields.get("sha256") or None, language)


@dataclass(frozen=True)
class NemoModel:
    """The acoustic model in the `.nemo` file at `path`."""

    path: Path

    def checkpoint(self) -> NemoCheckpoint:
        return _read_checkpoint(self.path)

    def vocabulary(self) -> Vocabulary:
        return self.checkpoint().vocabulary

    def fingerprint(self) -> str:
        return fingerprint(str(self.path), self.path)

    def parameters(self) -> int:
        from models.nemo.ctc import count_parameters

        return count_parameters(self.checkpoint())

    def load(self) -> NemoCtc:
        from models.nemo.ctc import load_network

        return load_network(self.checkpoint())


def nemo_card(name: str, reference: NemoReference, licence: str = "") -> ModelCard:
    """The card of a checkpoint, which is fetched first where it is remote.

    Raises `CheckpointError` for one that cannot be had, is damaged or is not supported.
    """
    path = fetch(reference.uri, reference.sha256)
    model = NemoModel(path)
    checkpoint = model.checkpoint()
    linguistics = LANGUAGES.get(reference.language)
    decoders: tuple[str, ...] = (GREEDY,)
    if linguistics is not None:
        spelled = checkpoint.vocabulary.marks is WordMarks.BOUNDARY
        decoders = (OPEN, LEXICON, GREEDY) if spelled else (OPEN, GREEDY)
    return ModelCard(
        name=name,
        language=reference.language,
        licence=licence or "not stated in the file",
        description=checkpoint.describe(),
        sample_rate_hz=checkpoint.mel.sample_rate_hz,
        frame_samples=checkpoint.frame_samples,
        shortest_samples=max(checkpoint.mel.window_samples, checkpoint.mel.hop_samples),
        longest_s=LONGEST_S,
        decoders=decoders,
        acoustics=model,
        linguistics=linguistics,
    )


@lru_cache(maxsize=8)
def _read_checkpoint(path: Path) -> NemoCheckpoint:
    return NemoCheckpoint.read(path)
