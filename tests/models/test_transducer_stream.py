import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.decode.fusion import HotwordFusion
from models.decode.transducer_options import TransducerBeamOptions
from models.stream_update import StreamedWord, place_words
from models.streaming import StreamingRecognizer
from models.transducer_recognizer import TransducerRecognizer
from models.transducer_stream import TransducerEngine
from tests.models.emformers import emformer, noise, recognizer_of

BEAM = TransducerBeamOptions(beam_size=3, beam_threshold=6.0, most_tokens=2)


@pytest.fixture(scope="module")
def random_recognizer() -> TransducerRecognizer:
    return recognizer_of(emformer(seed=4))


SOUND = noise(40_000)


def streamed(
    engine: TransducerEngine, samples: NDArray[np.float32], cuts: list[int]
) -> list[StreamedWord]:
    """The final words of a stream; partial ones must become final or change, never vanish late."""
    stream = StreamingRecognizer(engine)
    words: list[StreamedWord] = []
    edges = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
    for start, end in pairwise(edges):
        update = stream.accept(samples[start:end])
        words += update.final
        assert update.heard_s == end / 16_000
        assert all(word.end_s <= update.heard_s for word in (*update.final, *update.partial))
    last = stream.finish()
    assert last.partial == ()
    return words + list(last.final)


def offline(recognizer: TransducerRecognizer, samples: NDArray[np.float32]) -> list[StreamedWord]:
    (hypothesis,) = recognizer.recognize_greedily([samples])
    return list(place_words(hypothesis.words, recognizer.card, len(samples)))


def same(mine: list[StreamedWord], theirs: list[StreamedWord]) -> None:
    assert [(w.text, w.start_s, w.end_s) for w in mine] == [
        (w.text, w.start_s, w.end_s) for w in theirs
    ]
    assert [w.confidence for w in mine] == pytest.approx([w.confidence for w in theirs], abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    length=st.integers(0, 40_000),
    cuts=st.lists(st.integers(0, 40_000), max_size=12),
)
def test_any_chunks_give_what_the_whole_gives(
    random_recognizer: TransducerRecognizer, length: int, cuts: list[int]
) -> None:
    samples = SOUND[:length]
    found = streamed(TransducerEngine(random_recognizer), samples, cuts)
    same(found, offline(random_recognizer, samples))


def test_there_are_words_to_compare(random_recognizer: TransducerRecognizer) -> None:
    words = offline(random_recognizer, SOUND)
    assert len(words) > 5
    assert len({word.text for word in words}) > 2


@pytest.mark.parametrize("hot", [False, True])
def test_a_beam_search_streams_as_well(random_recognizer: TransducerRecognizer, hot: bool) -> None:
    fusion = HotwordFusion(random_recognizer.vocabulary, ["ba"], weight=0.7) if hot else None
    engine = TransducerEngine(random_recognizer, options=BEAM, fusion=fusion)
    samples = SOUND[:20_000]
    (best,) = random_recognizer.recognize([samples], options=BEAM, fusion=fusion)
    found = streamed(engine, samples, list(range(0, 20_000, 1_111)))
    same(found, list(place_words(best.words, random_recognizer.card, len(samples))))


def test_a_stream_goes_on_from_its_state(random_recognizer: TransducerRecognizer) -> None:
    engine = TransducerEngine(random_recognizer)
    stream = StreamingRecognizer(engine)
    early = stream.accept(SOUND[:17_003])
    saved = pickle.dumps(stream.state)
    expected = [*stream.accept(SOUND[17_003:]).final, *stream.finish().final]
    resumed = StreamingRecognizer(engine, pickle.loads(saved))
    found = [*resumed.accept(SOUND[17_003:]).final, *resumed.finish().final]
    assert found == expected
    assert len(early.final) > 0


def test_a_state_does_not_grow_with_the_stream(random_recognizer: TransducerRecognizer) -> None:
    stream = StreamingRecognizer(TransducerEngine(random_recognizer))
    sizes = []
    for _ in range(4):
        for start in range(0, 40_000, 4_000):
            stream.accept(SOUND[start : start + 4_000])
        sizes.append(len(pickle.dumps(stream.state)))
    assert max(sizes) < 1.2 * min(sizes)


def test_two_channels_are_refused(random_recognizer: TransducerRecognizer) -> None:
    stream = StreamingRecognizer(TransducerEngine(random_recognizer))
    with pytest.raises(ValueError, match="one channel of samples"):
        stream.accept(np.zeros((2, 100), dtype=np.float32))


def test_hotwords_need_a_beam(random_recognizer: TransducerRecognizer) -> None:
    fusion = HotwordFusion(random_recognizer.vocabulary, ["ba"])
    with pytest.raises(ValueError, match="beam search"):
        TransducerEngine(random_recognizer, fusion=fusion)
