"""Confidence that means something: right words have more of it than wrong ones."""

from collections.abc import Sequence

import jiwer
import numpy as np
from numpy.typing import NDArray

from models import Recognizer, Word
from models.decode.ctc_beam import BeamSearchOptions
from models.decode.pool import DecoderRecipe
from pipeline.normalise import normalise_text


def area_under_roc(right: Sequence[float], wrong: Sequence[float]) -> float:
    """The probability that a right word is surer than a wrong one (Mann & Whitney 1947)."""
    above = np.subtract.outer(np.array(right), np.array(wrong))
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def right_words(reference: str, words: Sequence[Word]) -> list[bool]:
    """For each word whether an alignment with the reference finds it there."""
    spoken = [normalise_text(word.text) for word in words]
    assert all(len(text.split()) == 1 for text in spoken)
    alignment = jiwer.process_words(normalise_text(reference), " ".join(spoken)).alignments[0]
    right = [False] * len(words)
    for chunk in alignment:
        if chunk.type == "equal":
            right[chunk.hyp_start_idx : chunk.hyp_end_idx] = [True] * (
                chunk.hyp_end_idx - chunk.hyp_start_idx
            )
    return right


def test_right_words_are_surer(
    recognizer: Recognizer,
    speech: dict[str, NDArray[np.float32]],
    manifest_rows: list[dict[str, str]],
) -> None:
    decoder = DecoderRecipe("en-phoneme-ctc", BeamSearchOptions()).load()
    confidences: dict[bool, list[float]] = {True: [], False: []}
    for row in manifest_rows:
        emission = recognizer.emit([speech[row["id"]]])[0]
        words = decoder.decode(emission.log_probs).words
        # Of a recording that is longer than the window, only the beginning is decoded here.
        reference = " ".join(row["text"].split()[: len(words) + 5])
        for word, is_right in zip(words, right_words(reference, words), strict=True):
            confidences[is_right].append(word.confidence)
    assert len(confidences[True]) > 100
    assert len(confidences[False]) > 10
    assert area_under_roc(confidences[True], confidences[False]) > 0.75
    assert np.mean(confidences[True]) > np.mean(confidences[False]) + 0.15


def test_the_measure_itself() -> None:
    assert area_under_roc([0.9, 0.8], [0.1]) == 1.0
    assert area_under_roc([0.5], [0.5]) == 0.5
    assert area_under_roc([0.1], [0.9]) == 0.0
