"""CTC checkpoints that NVIDIA publishes, each fetched when it is first named.

Names, addresses and licences are NVIDIA's: those of its Hugging Face pages, which state a licence,
and of the list in NeMo 3.0.0 and before for NGC, whose pages say that the NGC terms of use cover
them unless another licence is stated.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.nemo.card import NemoReference

CC_BY_4 = "CC-BY-4.0"
NGC_TERMS = "NGC terms of use"


@dataclass(frozen=True)
class Published:
    """A checkpoint as its publisher describes it; `parameters` are millions."""

    name: str
    language: str
    parameters: float
    licence: str
    uri: str

    @property
    def reference(self) -> NemoReference:
        return NemoReference(self.uri, language=self.language)


def _on_ngc(language: str, architecture: str, version: str, parameters: float) -> Published:
    name = f"stt_{language}_{architecture}"
    uri = (
        f"https://api.ngc.nvidia.com/v2/models/nvidia/nemo/{name}/versions/{version}"
        f"/files/{name}.nemo"
    )
    return Published(name, language, parameters, NGC_TERMS, uri)


def _on_hub(name: str, language: str, parameters: float) -> Published:
    uri = f"https://huggingface.co/nvidia/{name}/resolve/main/{name}.nemo"
    return Published(name, language, parameters, CC_BY_4, uri)


PUBLISHED = {
    published.name: published
    for published in (
        *(
            _on_ngc(language, "quartznet15x5", "1.0.0rc1", 18.9)
            for language in ("ca", "de", "en", "es", "fr", "it", "pl", "ru")
        ),
        _on_ngc("en", "jasper10x5dr", "1.0.0rc1", 333),
        _on_ngc("en", "citrinet_256", "1.0.0rc1", 10),
        _on_ngc("en", "citrinet_512", "1.0.0rc1", 36),
        _on_ngc("en", "citrinet_1024", "1.0.0rc1", 140),
        _on_ngc("es", "citrinet_512", "1.0.0rc1", 36),
        _on_ngc("de", "citrinet_1024", "1.5.0", 140),
        _on_ngc("es", "citrinet_1024_gamma_0_25", "1.8.0", 140),
        _on_ngc("fr", "citrinet_1024_gamma_0_25", "1.5", 140),
        _on_hub("stt_en_citrinet_1024_gamma_0_25", "en", 140),
        _on_hub("stt_en_conformer_ctc_small", "en", 13),
        _on_ngc("en", "conformer_ctc_medium", "1.6.0", 30),
        _on_hub("stt_en_conformer_ctc_large", "en", 120),
        _on_ngc("en", "conformer_ctc_xlarge", "1.10.0", 635),
        _on_ngc("de", "conformer_ctc_large", "1.5.0", 120),
        _on_ngc("es", "conformer_ctc_large", "1.8.0", 120),
        _on_ngc("fr", "conformer_ctc_large", "1.5.1", 120),
        _on_ngc("it", "conformer_ctc_large", "1.13.0", 120),
        _on_ngc("ca", "conformer_ctc_large", "1.11.0", 120),
        _on_ngc("hr", "conformer_ctc_large", "1.11.0", 120),
        _on_ngc("be", "conformer_ctc_large", "1.12.0", 120),
        _on_ngc("ru", "conformer_ctc_large", "1.13.0", 120),
        _on_ngc("rw", "conformer_ctc_large", "1.11.0", 120),
        _on_ngc("eo", "conformer_ctc_large", "1.14.0", 120),
        _on_ngc("hi", "conformer_ctc_medium", "1.6.0", 30),
        _on_hub("stt_en_fastconformer_ctc_large", "en", 115),
        _on_hub("stt_en_fastconformer_ctc_xlarge", "en", 600),
        _on_hub("stt_en_fastconformer_ctc_xxlarge", "en", 1_200),
        _on_hub("parakeet-ctc-0.6b", "en", 600),
        _on_hub("parakeet-ctc-1.1b", "en", 1_100),
    )
}
