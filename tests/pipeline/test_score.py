"""Error rates: counts that can be checked by hand, and what must never improve them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.score import Pair, score

TEXTS = st.lists(st.sampled_from(["a", "bee", "sea"]), max_size=6).map(" ".join)


def test_counts_of_each_kind() -> None:
    (recording,) = score([Pair("r", None, "one two three four", "one too four five")]).recordings
    assert recording.reference_words == 4
    assert (recording.substitutions, recording.deletions, recording.insertions) in {
        (1, 1, 1),
        (3, 0, 0),
    }
    assert recording.wer == pytest.approx(3 / 4)


def test_spelling_is_normalised_on_both_sides() -> None:
    evaluation = score(
        [Pair("r", None, "Mr. Dashwood’s cold-hearted.", "mister dashwood's cold hearted")]
    )
    assert evaluation.wer == 0.0
    assert evaluation.cer == 0.0


def test_characters_include_spaces() -> None:
    (recording,) = score([Pair("r", None, "ab cd", "abcd")]).recordings
    assert (recording.character_errors, recording.reference_characters) == (1, 5)
    assert recording.cer == pytest.approx(1 / 5)


def test_rates_of_many_divide_the_sums() -> None:
    evaluation = score(
        [
            Pair("long", None, "a b c d e f g h i", "a b c d e f g h i"),
            Pair("short", None, "a", "b"),
        ]
    )
    assert evaluation.reference_words == 10
    assert evaluation.wer == pytest.approx(1 / 10)
    assert [recording.recording_id for recording in evaluation.recordings] == ["long", "short"]


def test_a_failed_recording_is_all_deletions() -> None:
    evaluation = score([Pair("r", None, "two words", "two words", failed=True)])
    assert (evaluation.deletions, evaluation.failed) == (2, 1)
    assert evaluation.wer == 1.0
    assert evaluation.cer == 1.0


def test_without_a_reference_nothing_is_scored_but_counted() -> None:
    evaluation = score([Pair("r", None, None, "words"), Pair("s", None, "words", "words")])
    assert [recording.recording_id for recording in evaluation.recordings] == ["s"]
    assert evaluation.without_reference == 1
    assert evaluation.wer == 0.0


def test_an_empty_reference_has_insertions_only() -> None:
    evaluation = score([Pair("quiet", None, "...", "oh dear"), Pair("r", None, "a b", "a b")])
    quiet = evaluation.recordings[0]
    assert (quiet.substitutions, quiet.deletions, quiet.insertions) == (0, 0, 2)
    assert quiet.wer is None
    assert quiet.cer is None
    assert evaluation.wer == pytest.approx(2 / 2)


def test_nothing_to_score_has_no_rate() -> None:
    assert score([]).wer is None
    assert score([Pair("r", None, "", "")]).wer is None


@given(TEXTS, TEXTS)
def test_failing_never_improves_the_word_errors_of_silence(reference: str, hypothesis: str) -> None:
    failed = score([Pair("r", None, reference, hypothesis, failed=True)])
    silent = score([Pair("r", None, reference, "")])
    assert (failed.wer, failed.cer) == (silent.wer, silent.cer)
    assert failed.deletions == failed.reference_words == len(reference.split())


@given(TEXTS)
def test_the_reference_itself_has_no_errors(text: str) -> None:
    evaluation = score([Pair("r", None, text, text)])
    assert evaluation.substitutions == evaluation.deletions == evaluation.insertions == 0
