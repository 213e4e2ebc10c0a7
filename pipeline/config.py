"""One job's configuration: frozen, validated, and the source of its fingerprint."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from models.card import GREEDY, LEXICON, OPEN, TRANSDUCER, UNDETERMINED, ModelCard
from models.decode.ctc_beam import BeamSearchOptions
from models.decode.pool import DecoderRecipe
from models.decode.transducer_options import TransducerBeamOptions
from models.decode.word_scores import OpenSearchOptions
from models.registry import find_model
from models.voice_activity import CHUNK_SAMPLES, SAMPLE_RATE_HZ, SpeechDetector
from pipeline.errors import ConfigurationError
from transforms.amplitude import NONE, NORMALISATIONS
from transforms.audio_plan import AudioPlan
from transforms.batch import BatchBudget
from transforms.recognize import Recognition, TransducerReading
from transforms.schema import SCHEMA_VERSION
from transforms.segment import FIXED, METHODS, QUIET, SPEECH, Segmentation
from transforms.speech import SpeechRules
from transforms.stitch import StretchPlan
from transforms.store import Stores

BEAM = "beam"
DECODERS = (BEAM, LEXICON, OPEN, TRANSDUCER, GREEDY)
CONTEXT_S = 1.5
SEARCH_S = 1.0
SEAM_S = 8.0
OVERLAP_S = 2.0
PAUSE_S = 0.3
STRETCH_S = 15.0


@dataclass(frozen=True, kw_only=True)
class TranscriptionConfig:
    """What `transcribe` does. Raises `ConfigurationError` saying what to change.

    `decoder` "beam" is the beam search that suits the model best. `batch_s` bounds the padded
    seconds of a batch. `workers` are threads of the forward pass and processes of the beam search
    alike. `retry_failed` takes up what failed before, `force` all. `allow_cpu` lets a GPU's job
    compute on the CPU what its memory does not hold.
    """

    sources: tuple[str, ...]
    output: str
    model: str = "en-phoneme-ctc"
    decoder: str = BEAM
    beam: BeamSearchOptions = field(default_factory=BeamSearchOptions)
    transducer: TransducerBeamOptions = field(default_factory=TransducerBeamOptions)
    open: OpenSearchOptions = field(default_factory=OpenSearchOptions)
    batch_s: float = 40.0
    segment_s: float = 30.0
    segmentation_method: str = FIXED
    normalise: str = NONE
    device: str = "cpu"
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    retry_failed: bool = False
    force: bool = False
    allow_cpu: bool = False
    deadline_s: float = 600.0
    stores: Stores = field(default_factory=Stores)

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigurationError("name at least one manifest, audio file or directory")
        if self.decoder not in DECODERS:
            raise ConfigurationError(
                f"--decoder is {self.decoder!r}; choose beam, lexicon, open, transducer or greedy"
            )
        if not 1.0 <= self.segment_s <= 30.0:
            raise ConfigurationError(
                f"--segment-seconds is {self.segment_s:g}; the model hears 1 to 30 s at once"
            )
        if self.segmentation_method not in METHODS:
            raise ConfigurationError(
                f"--segmentation is {self.segmentation_method!r}; choose {' or '.join(METHODS)}"
            )
        if self.normalise not in NORMALISATIONS:
            raise ConfigurationError(
                f"--normalise is {self.normalise!r}; choose {', '.join(NORMALISATIONS)}"
            )
        if self.batch_s < self.segment_s:
            raise ConfigurationError(
                f"--batch-seconds is {self.batch_s:g}; it must hold one segment of "
                f"{self.segment_s:g} s"
            )
        if not re.fullmatch(r"cpu|cuda(:\d+)?", self.device):
            raise ConfigurationError(f"--device is {self.device!r}; choose cpu, cuda or cuda:N")
        if not self.deadline_s > 0:
            raise ConfigurationError(f"--deadline is {self.deadline_s:g}; it must be positive")
        if self.workers < 1:
            raise ConfigurationError(f"--num-workers is {self.workers}; it must be at least 1")

    @property
    def card(self) -> ModelCard:
        """Raises `CheckpointError` for a name that is not registered."""
        return find_model(self.model)

    @property
    def decoding(self) -> str:
        """How this model is read: `lexicon`, `open`, `transducer` or `greedy`.

        Raises `ConfigurationError` for a decoder that the model does not go with.
        """
        card = self.card
        if self.decoder in card.decoders:
            return self.decoder
        if self.decoder == BEAM and card.decoders[0] != GREEDY:
            return card.decoders[0]
        unknown = (
            "; the checkpoint does not say its language: where one ships with a language model, "
            f"name it with --model '{self.model}#language=en'"
            if card.language == UNDETERMINED
            else ""
        )
        raise ConfigurationError(
            f"--decoder is {self.decoder!r}, but {self.model} goes with "
            f"{' or '.join(card.decoders)} only{unknown}"
        )

    @property
    def decoder_recipe(self) -> DecoderRecipe | None:
        """What a decoder process needs; None where there is none, as the model reads itself."""
        if self.decoding in (GREEDY, TRANSDUCER):
            return None
        return DecoderRecipe(self.model, self.open if self.decoding == OPEN else self.beam)

    @property
    def transducer_reading(self) -> TransducerReading | None:
        """How a transducer is read; None for a CTC model."""
        if TRANSDUCER not in self.card.decoders:
            return None
        options = self.transducer if self.decoding == TRANSDUCER else None
        return TransducerReading(options, self.card.first_centre_samples)

    @property
    def audio_plan(self) -> AudioPlan:
        return AudioPlan(
            language=self.card.language,
            model_rate_hz=self.card.sample_rate_hz,
            shortest_s=self.card.shortest_samples / self.card.sample_rate_hz,
            context_s=self.segmentation.around_span_s,
            normalisation=self.normalise,
            deadline_s=self.deadline_s,
            stores=self.stores,
        )

    @property
    def segmentation(self) -> Segmentation:
        return Segmentation(
            method=self.segmentation_method,
            frame_samples=self.card.frame_samples,
            rate_hz=self.card.sample_rate_hz,
            longest_s=self.segment_s,
            shortest_s=min(1.0, self.segment_s / 4),
            context_s=min(CONTEXT_S, self.segment_s / 8),
            search_s=min(SEARCH_S, self.segment_s / 16),
            seam_s=min(SEAM_S, self.segment_s / 2),
            overlap_s=min(OVERLAP_S, self.segment_s / 8),
            rules=SpeechRules(chunk_samples=CHUNK_SAMPLES),
        )

    @property
    def detector(self) -> SpeechDetector | None:
        """Raises `ConfigurationError` for a model that hears at another rate than the detector."""
        if self.segmentation_method != SPEECH:
            return None
        if self.card.sample_rate_hz != SAMPLE_RATE_HZ:
            raise ConfigurationError(
                f"--segmentation speech hears at {SAMPLE_RATE_HZ} Hz, model {self.model} at "
                f"{self.card.sample_rate_hz} Hz; choose {FIXED} or {QUIET}"
            )
        return SpeechDetector()

    @property
    def stretches(self) -> StretchPlan:
        vocabulary, reach = self.card.vocabulary(), self.segmentation.reach
        frame_s = self.card.frame_samples / self.card.sample_rate_hz
        return StretchPlan(
            frame_samples=self.card.frame_samples,
            # A pause in so many seconds is likely the end of a sentence, as language models want.
            longest_frames=min(reach.longest, round(STRETCH_S / frame_s)),
            overlap_frames=reach.overlap,
            pause_frames=round(PAUSE_S / frame_s),
            blank=vocabulary.blank,
            word_boundary=vocabulary.word_boundary,
        )

    @property
    def batch_budget(self) -> BatchBudget:
        return BatchBudget(batch_s=self.batch_s)

    @property
    def recognition(self) -> Recognition:
        return Recognition(
            model=self.model,
            device=self.device,
            stretches=self.stretches,
            decoder=self.decoder_recipe,
            decoder_workers=self.workers,
            transducer=self.transducer_reading,
            allow_cpu=self.allow_cpu,
        )

    @cached_property
    def fingerprints(self) -> tuple[str, str]:
        """Of model and configuration. Cached: the files of a large model take seconds to read."""
        return self.card.acoustic_fingerprint(), self.fingerprint()

    def fingerprint(self) -> str:
        """Identifies everything besides audio and model that words and times depend on."""
        parts: dict[str, Any] = {
            "schema": SCHEMA_VERSION,
            "decoder": self.decoding,
            "segmentation": asdict(self.segmentation),
            "stretches": asdict(self.stretches),
            "audio": without_stores(asdict(replace(self.audio_plan, deadline_s=0.0))),
        }
        if self.detector is not None:
            parts["detector"] = self.detector.fingerprint()
        if recipe := self.decoder_recipe:
            parts["beam"] = asdict(recipe.options)
            parts["linguistic"] = self.card.linguistic_fingerprint()
        if self.transducer_reading is not None:
            parts["transducer"] = asdict(self.transducer_reading)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def without_stores(fields: dict[str, Any]) -> dict[str, Any]:
    """A configuration's fields but for how stores are reached, which may hold credentials."""
    return {name: value for name, value in fields.items() if name != "stores"}
