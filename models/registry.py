"""The models that can be named.

A name is that of an embedded model, that of a published checkpoint, `nemo:` and the path or URL of
a checkpoint, or `emformer:` and the folder of a transducer. Another family adds its own prefix
here, and a room that makes its cards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.card import ModelCard
from models.embedded import EN_PHONEME_CTC
from models.emformer_card import (
    BUNDLES,
    SHIPPED,
    bundle_card,
    bundle_is_here,
    folder_card,
)
from models.errors import CheckpointError
from models.nemo.card import NemoReference, nemo_card
from models.nemo.published import PUBLISHED
from models.store import local_path

NEMO = "nemo:"
EMFORMER = "emformer:"

CARDS = {EN_PHONEME_CTC.name: EN_PHONEME_CTC}
"""The models that ship with beamscribe."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of a model without opening it; `parameters_m` are millions."""

    name: str
    language: str
    parameters_m: float | None
    licence: str
    weights: str
    here: bool


def find_model(name: str) -> ModelCard:
    """The card of a model, whose checkpoint is fetched first where it is remote.

    Raises `CheckpointError` for an unknown name, and for a checkpoint that cannot be had, is
    damaged or is not supported.
    """
    if name in CARDS:
        return CARDS[name]
    if name in SHIPPED:
        return folder_card(name, SHIPPED[name])
    if name in BUNDLES:
        return bundle_card(name)
    if name.startswith(EMFORMER):
        return folder_card(name, Path(name.removeprefix(EMFORMER)).expanduser())
    return _find_nemo(name, _reference(name))


def describe_model(name: str) -> dict[str, Any]:
    """What a model is, from its files, which are fetched first; its network is not run.

    Raises `CheckpointError` as `find_model` does.
    """
    card = find_model(name)
    vocabulary = card.vocabulary()
    return {
        "name": name,
        "description": card.description,
        "language": card.language,
        "licence": card.licence,
        "parameters": card.acoustics.parameters(),
        "sample_rate_hz": card.sample_rate_hz,
        "frame_ms": 1000 * card.frame_samples / card.sample_rate_hz,
        "longest_window_s": card.longest_s,
        "tokens": len(vocabulary) - 1,
        "some_tokens": list(vocabulary.tokens[:16]),
        "decoders": list(card.decoders),
        "fingerprint": card.acoustic_fingerprint(),
    }


def list_models() -> list[Listing]:
    """Every model that has a name, the embedded ones first."""
    return [find_listing(name) for name in (*CARDS, *SHIPPED, *BUNDLES, *PUBLISHED)]


def find_listing(name: str) -> Listing:
    """A model's line in the list. Raises `CheckpointError` for an unknown name."""
    if name in CARDS:
        card = CARDS[name]
        return Listing(name, card.language, None, card.licence, "ships with beamscribe", True)
    if name in SHIPPED or name.startswith(EMFORMER):
        card = find_model(name)
        weights = "ships with beamscribe" if name in SHIPPED else name.removeprefix(EMFORMER)
        return Listing(name, card.language, None, card.licence, weights, True)
    if name in BUNDLES:
        card = bundle_card(name)
        return Listing(name, card.language, None, card.licence, "torchaudio", is_here(name))
    reference = _reference(name)
    published = PUBLISHED.get(name)
    return Listing(
        name=name,
        language=reference.language,
        parameters_m=published.parameters if published else None,
        licence=published.licence if published else "not stated in the file",
        weights=reference.uri,
        here=is_here(name),
    )


def is_here(name: str) -> bool:
    """Whether a model's files are on this machine. Raises `CheckpointError` for an unknown name."""
    if name in CARDS or name in SHIPPED or name.startswith(EMFORMER):
        return True
    if name in BUNDLES:
        return bundle_is_here(name)
    return local_path(_reference(name).uri).is_file()


def _reference(name: str) -> NemoReference:
    if name in PUBLISHED:
        return PUBLISHED[name].reference
    if name.startswith(NEMO):
        return NemoReference.parse(name.removeprefix(NEMO))
    raise CheckpointError(
        f"there is no model named {name!r}; choose from: {', '.join([*CARDS, *SHIPPED])}, the "
        f"others that `beamscribe models` lists, a NeMo checkpoint as {NEMO}PATH-OR-URL, or the "
        f"folder of an Emformer transducer as {EMFORMER}PATH"
    )


@lru_cache(maxsize=8)
def _find_nemo(name: str, reference: NemoReference) -> ModelCard:
    published = PUBLISHED.get(name)
    return nemo_card(name, reference, published.licence if published else "")
