import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import Recognizer
from models.ctc_stream import CtcEngine, CtcWindow
from models.stream_update import StreamedWord
from models.streaming import StreamingRecognizer, open_stream


def streamed(
    engine: CtcEngine, samples: NDArray[np.float32], cuts: list[int]
) -> list[StreamedWord]:
    stream = StreamingRecognizer(engine)
    words: list[StreamedWord] = []
    edges = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
    for start, end in pairwise(edges):
        words += stream.accept(samples[start:end]).final
    return words + list(stream.finish().final)


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(0, 80_000), max_size=6))
def test_how_the_audio_arrives_changes_nothing(
    recognizer: Recognizer, speech: dict[str, NDArray[np.float32]], cuts: list[int]
) -> None:
    samples = next(iter(speech.values()))[:60_000]
    engine = CtcEngine(recognizer)
    assert streamed(engine, samples, cuts) == streamed(engine, samples, [])


def test_wide_windows_hear_what_the_whole_recording_gives(
    recognizer: Recognizer, speech: dict[str, NDArray[np.float32]]
) -> None:
    samples = next(iter(speech.values()))[:96_000]
    window = CtcWindow(chunk_s=6.0, left_s=20.0, right_s=20.0, pause_s=30.0, longest_s=60.0)
    (whole,) = recognizer.recognize_greedily([samples])
    found = streamed(CtcEngine(recognizer, window=window), samples, [20_000])
    assert " ".join(word.text for word in found) == whole.text


def test_most_of_it_is_heard_in_small_windows(
    recognizer: Recognizer, speech: dict[str, NDArray[np.float32]]
) -> None:
    samples = next(iter(speech.values()))
    (whole,) = recognizer.recognize_greedily([samples])
    found = streamed(CtcEngine(recognizer), samples, list(range(0, len(samples), 1_600)))
    expected = whole.text.split()
    heard = [word.text for word in found]
    assert len(set(heard) & set(expected)) > 0.7 * len(set(expected))
    starts = [word.start_s for word in found]
    assert starts == sorted(starts)


def test_words_are_final_after_a_pause(
    recognizer: Recognizer, speech: dict[str, NDArray[np.float32]]
) -> None:
    said = next(iter(speech.values()))[:32_000]
    stream = open_stream(recognizer)
    assert not stream.engine.exact
    update = stream.accept(np.concatenate([said, np.zeros(48_000, dtype=np.float32)]))
    assert len(update.final) > 2
    assert update.partial == ()


def test_a_stream_goes_on_from_its_state(
    recognizer: Recognizer, speech: dict[str, NDArray[np.float32]]
) -> None:
    samples = next(iter(speech.values()))[:80_000]
    engine = CtcEngine(recognizer)
    stream = StreamingRecognizer(engine)
    stream.accept(samples[:50_001])
    saved = pickle.dumps(stream.state)
    expected = [*stream.accept(samples[50_001:]).final, *stream.finish().final]
    resumed = StreamingRecognizer(engine, pickle.loads(saved))
    assert [*resumed.accept(samples[50_001:]).final, *resumed.finish().final] == expected


def test_an_empty_stream_says_nothing(recognizer: Recognizer) -> None:
    stream = open_stream(recognizer)
    assert stream.accept(np.zeros(0, dtype=np.float32)).partial == ()
    assert stream.finish().final == ()


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a chunk"):
        CtcWindow(chunk_s=0.0)
