"""What a `.nemo` file says of its network, without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.nemo import conformer_settings, convolutional_settings, mel_settings
from models.nemo.archive import NemoArchive
from models.nemo.conformer_settings import ConformerSettings
from models.nemo.convolutional_settings import ConvolutionalSettings
from models.nemo.mel_settings import MelSettings
from models.nemo.section import Section
from models.nemo.tokenizer import read_vocabulary
from models.vocabulary import Vocabulary

CTC_MODELS = ("EncDecCTCModel", "EncDecCTCModelBPE")
HYBRID_MODELS = ("EncDecHybridRNNTCTCModel", "EncDecHybridRNNTCTCBPEModel")
ENCODERS = (convolutional_settings.TARGET, conformer_settings.TARGET)
HEAD = "ConvASRDecoder"


@dataclass(frozen=True, slots=True)
class NemoCheckpoint:
    """A checkpoint whose architecture is supported; `architecture` is its encoder's name."""

    path: Path
    architecture: str
    hybrid: bool
    mel: MelSettings
    encoder: ConvolutionalSettings | ConformerSettings
    vocabulary: Vocabulary

    @classmethod
    def read(cls, path: Path) -> NemoCheckpoint:
        """Read the configuration and the tokenizer, not the weights.

        Raises `CheckpointError` naming what is damaged, or what is not supported and what is.
        """
        archive = NemoArchive(path)
        root = Section.of(str(path), archive.configuration())
        model = _class_of(root, "target", (*CTC_MODELS, *HYBRID_MODELS))
        hybrid = model in HYBRID_MODELS
        head = root.section("aux_ctc").section("decoder") if hybrid else root.section("decoder")
        _class_of(head, "_target_", (HEAD,))
        features = root.section("preprocessor")
        _class_of(features, "_target_", (mel_settings.TARGET,))
        encoder = root.section("encoder")
        architecture = _class_of(encoder, "_target_", ENCODERS)
        return cls(
            path=path,
            architecture=architecture,
            hybrid=hybrid,
            mel=MelSettings.read(features),
            encoder=ConvolutionalSettings.read(encoder)
            if architecture == convolutional_settings.TARGET
            else ConformerSettings.read(encoder),
            vocabulary=read_vocabulary(archive, root, head),
        )

    @property
    def frame_samples(self) -> int:
        """Samples from one emission frame to the next."""
        return self.mel.hop_samples * self.encoder.stride

    def describe(self) -> str:
        head = "CTC head of a hybrid" if self.hybrid else "CTC"
        marks = {"boundary": "characters", "prefix": "SentencePiece", "continuation": "WordPiece"}
        tokens = f"{len(self.vocabulary) - 1} {marks[self.vocabulary.marks.value]}"
        return f"NeMo {self.architecture}, {head}, {tokens}"


def _class_of(section: Section, name: str, supported: tuple[str, ...]) -> str:
    """The last part of a class's dotted path, where it is supported."""
    found = section.text(name, "").rpartition(".")[2]
    if found not in supported:
        raise section.wrong(name, ", ".join(supported))
    return found
