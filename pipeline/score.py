"""Word and character error rates.

An error rate is (substitutions + deletions + insertions) / reference length, after
`normalise_text` on both sides; the rate of many recordings divides the sums. Characters
include the spaces between words. A failed recording counts as if nothing had been
recognised, so failing never improves a rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.normalise import normalise_text


@dataclass(frozen=True, slots=True)
class Pair:
    """What was said and what was recognised; `reference` is None where nobody wrote it down.

    An empty `reference` says that there is no speech: every recognised word is an insertion.
    """

    recording_id: str
    channel: int | None
    reference: str | None
    hypothesis: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class RecordingScore:
    """Errors of one recording; a rate is None where the reference is empty."""

    recording_id: str
    channel: int | None
    failed: bool
    reference_words: int
    substitutions: int
    deletions: int
    insertions: int
    reference_characters: int
    character_errors: int
    wer: float | None
    cer: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Errors of all recordings that have a reference; `without_reference` counts the others."""

    recordings: tuple[RecordingScore, ...]
    reference_words: int
    substitutions: int
    deletions: int
    insertions: int
    wer: float | None
    cer: float | None
    failed: int
    without_reference: int


def score(pairs: Iterable[Pair]) -> Evaluation:
    """Scores every pair that has a reference, in the order given."""
    scores: list[RecordingScore] = []
    without_reference = 0
    for pair in pairs:
        if pair.reference is None:
            without_reference += 1
        else:
            scores.append(_score_recording(pair, pair.reference))
    words = sum(s.reference_words for s in scores)
    substitutions = sum(s.substitutions for s in scores)
    deletions = sum(s.deletions for s in scores)
    insertions = sum(s.insertions for s in scores)
    return Evaluation(
        recordings=tuple(scores),
        reference_words=words,
        substitutions=substitutions,
        deletions=deletions,
        insertions=insertions,
        wer=_rate(substitutions + deletions + insertions, words),
        cer=_rate(
            sum(s.character_errors for s in scores), sum(s.reference_characters for s in scores)
        ),
        failed=sum(s.failed for s in scores),
        without_reference=without_reference,
    )


def _score_recording(pair: Pair, reference: str) -> RecordingScore:
    import jiwer

    truth = normalise_text(reference)
    heard = "" if pair.failed else normalise_text(pair.hypothesis)
    words = jiwer.process_words(truth, heard)
    characters = jiwer.process_characters(truth, heard)
    word_errors = words.substitutions + words.deletions + words.insertions
    character_errors = characters.substitutions + characters.deletions + characters.insertions
    return RecordingScore(
        recording_id=pair.recording_id,
        channel=pair.channel,
        failed=pair.failed,
        reference_words=len(truth.split()),
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
        reference_characters=len(truth),
        character_errors=character_errors,
        wer=_rate(word_errors, len(truth.split())),
        cer=_rate(character_errors, len(truth)),
    )


def _rate(errors: int, length: int) -> float | None:
    return errors / length if length else None
