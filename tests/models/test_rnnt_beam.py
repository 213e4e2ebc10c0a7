import itertools
import math

import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decode.fusion import HotwordFusion, NoFusion
from models.decode.rnnt_beam import (
    begin_beams,
    finish_beams,
    rnnt_beam,
)
from models.decode.rnnt_greedy import rnnt_greedy
from models.decode.transducer import TokenPath
from models.decode.transducer_options import TransducerBeamOptions
from models.vocabulary import Vocabulary, WordMarks
from tests.models.transducers import TableTransducer, sum_of_paths

WIDE = TransducerBeamOptions(beam_size=10_000, beam_threshold=1e9, most_tokens=2)


def search(
    model: TableTransducer, options: TransducerBeamOptions, frames: int, num_best: int
) -> list[TokenPath]:
    fusion = NoFusion()
    beams = rnnt_beam(
        model,
        model.encoded(),
        torch.tensor([frames]),
        model.blank,
        begin_beams(model.begin(1), fusion),
        options,
    )
    return finish_beams(beams, fusion, num_best)[0]


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_wide_beam_adds_up_every_path_of_every_sequence(seed: int) -> None:
    model = TableTransducer(frames=3, classes=3, seed=seed)
    found = {path.tokens: path.score for path in search(model, WIDE, 3, 10_000)}
    for length in range(5):
        for tokens in itertools.product(range(2), repeat=length):
            assert found[tokens] == pytest.approx(sum_of_paths(model, tokens, 2), abs=1e-4)


def test_the_sum_is_that_of_the_training_loss() -> None:
    model = TableTransducer(frames=3, classes=3, seed=3)
    options = TransducerBeamOptions(beam_size=10_000, beam_threshold=1e9, most_tokens=3)
    found = {path.tokens: path.score for path in search(model, options, 3, 10_000)}
    for tokens in [(0,), (1, 0), (0, 1, 1)]:
        loss = torchaudio.functional.rnnt_loss(
            model.lattice(tokens)[None],
            torch.tensor([tokens], dtype=torch.int32),
            torch.tensor([3], dtype=torch.int32),
            torch.tensor([len(tokens)], dtype=torch.int32),
            blank=model.blank,
        )
        assert found[tokens] == pytest.approx(-float(loss), abs=1e-4)


def test_all_sequences_have_probability_one_together() -> None:
    model = TableTransducer(frames=2, classes=3, seed=5)
    options = TransducerBeamOptions(beam_size=10_000, beam_threshold=1e9, most_tokens=4)
    # Blanks are likely, so that the bound on the tokens of a frame loses next to nothing.
    model.scores[..., model.blank] += 4.0
    total = np.logaddexp.reduce([path.score for path in search(model, options, 2, 10_000)])
    assert total == pytest.approx(0.0, abs=0.001)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 8))
def test_batches_and_pieces_change_nothing(seed: int, cut: int) -> None:
    model = TableTransducer(frames=8, classes=4, seed=seed, sharp=2.0)
    options = TransducerBeamOptions(beam_size=4, beam_threshold=6.0, most_tokens=2)
    fusion = NoFusion()
    alone = [search(model, options, frames, 4) for frames in (8, 5, 0)]
    encoded = model.encoded().expand(3, -1, -1)
    lengths = torch.tensor([8, 5, 0])
    beams = begin_beams(model.begin(3), fusion)
    first = lengths.clamp(max=cut)
    beams = rnnt_beam(model, encoded[:, :cut], first, model.blank, beams, options)
    beams = rnnt_beam(
        model, encoded[:, cut:], lengths - first, model.blank, beams, options, first_frame=cut
    )
    for mine, theirs in zip(finish_beams(beams, fusion, 4), alone, strict=True):
        assert [(p.tokens, p.frames) for p in mine] == [(p.tokens, p.frames) for p in theirs]
        assert [p.score for p in mine] == pytest.approx([p.score for p in theirs], abs=1e-4)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_wider_beam_finds_nothing_worse_than_the_best_path(seed: int) -> None:
    model = TableTransducer(frames=3, classes=3, seed=seed, sharp=2.0)
    (greedy,), _ = rnnt_greedy(
        model, model.encoded(), torch.tensor([3]), model.blank, model.begin(1), most_tokens=2
    )
    best = search(model, WIDE, 3, 1)[0]
    assert best.score >= greedy.score - 1e-4


def test_a_beam_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        TransducerBeamOptions(beam_size=0)


def test_a_hotword_wins_where_the_acoustics_waver() -> None:
    model = TableTransducer(frames=1, classes=3, seed=0)
    vocabulary = Vocabulary(("▁bad", "▁bat", "<blank>"), 2, None, WordMarks.PREFIX)
    model.scores[:] = torch.tensor([1.0, 0.9, -1.0])
    model.scores[:, 1:] = torch.tensor([-9.0, -9.0, 9.0])
    fusion = HotwordFusion(vocabulary, ["bat"], weight=0.5)
    model.scores[:, model.blank * 3 + model.blank] = torch.tensor([1.0, 0.9, -1.0])
    options = TransducerBeamOptions(beam_size=8, beam_threshold=30.0)
    results = {}
    for name, chosen in (("plain", NoFusion()), ("hot", fusion)):
        beams = rnnt_beam(
            model,
            model.encoded(),
            torch.tensor([1]),
            model.blank,
            begin_beams(model.begin(1), chosen),
            options,
            fusion=chosen,
        )
        results[name] = finish_beams(beams, chosen, 2)[0]
    assert results["plain"][0].tokens == (0,)
    assert results["hot"][0].tokens == (1,)
    gained = results["hot"][0].score - results["plain"][1].score
    assert gained == pytest.approx(1.5)
    assert math.isfinite(results["hot"][1].score)
