"""A search that dies costs itself."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models import Recognizer
from models.decode.ctc_beam import BeamSearchOptions
from models.decode.pool import DecoderPool, DecoderRecipe
from models.errors import DecodingError
from models.hypothesis import Hypothesis


def children() -> set[int]:
    tasks = Path("/proc/self/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}


@pytest.mark.slow
def test_a_process_that_is_killed_takes_one_search_along(
    recognizer: Recognizer, speech: dict[str, NDArray[np.float32]]
) -> None:
    log_probs = recognizer.emit([speech["librispeech-1089-134686-0000"]])[0].log_probs
    before = children()
    pool = DecoderPool(DecoderRecipe("en-phoneme-ctc", BeamSearchOptions()), workers=1)
    try:
        expected = pool.submit(log_probs).result()
        searches = [pool.submit(np.tile(log_probs, (40, 1))), pool.submit(log_probs)]
        # Long enough for the first search to have begun, and too short for it to end.
        time.sleep(1.0)
        victims = {
            child
            for child in children() - before
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        }
        assert victims
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        outcomes: list[Hypothesis | DecodingError] = []
        for search in searches:
            try:
                outcomes.append(search.result())
            except DecodingError as error:
                outcomes.append(error)
        assert [type(outcome) for outcome in outcomes] == [DecodingError, Hypothesis]
        assert "died" in str(outcomes[0])
        assert outcomes[1] == expected
    finally:
        pool.close()


@pytest.mark.slow
def test_a_process_that_dies_between_two_searches_is_replaced(
    recognizer: Recognizer, speech: dict[str, NDArray[np.float32]]
) -> None:
    log_probs = recognizer.emit([speech["librispeech-1089-134691-0000"]])[0].log_probs
    before = children()
    pool = DecoderPool(DecoderRecipe("en-phoneme-ctc", BeamSearchOptions()), workers=1)
    try:
        expected = pool.submit(log_probs).result()
        for child in children() - before:
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(child, signal.SIGKILL)
        assert pool.submit(log_probs).result() == expected
        assert pool.submit(log_probs).result() == expected
    finally:
        pool.close()
