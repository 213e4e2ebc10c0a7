"""What is counted: here, in Beam, and of a stage's time no more than its own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import apache_beam as beam
import pytest
from apache_beam.metrics.metric import MetricsFilter

from transforms import tally


@pytest.fixture(autouse=True)
def from_zero() -> Iterator[None]:
    tally.reset()
    yield
    tally.reset()


def test_counts_add_up_by_name() -> None:
    tally.count("batches")
    tally.count("batches", 4)
    tally.count("segments", 2)
    assert tally.counts() == {"batches": 5, "segments": 2}
    assert tally.drain() == {"batches": 5, "segments": 2}
    assert tally.counts() == {}


def test_counts_of_many_threads_are_all_there() -> None:
    def work() -> None:
        for _ in range(2_000):
            tally.count("n")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.counts() == {"n": 16_000}


def test_beam_is_not_loaded_for_it() -> None:
    program = (
        "import sys; from transforms import store, tally; tally.retried(); "
        "assert tally.counts() == {'store_retries': 1}; sys.exit('apache_beam' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


class _Work(beam.DoFn):
    @tally.timed_as("work")
    def process(self, element: int) -> Iterator[int]:
        tally.count("seen", element)
        yield element
        yield -element


@tally.spent("sum")
def _slowly(element: int) -> int:
    time.sleep(0.02)
    return element


def test_counts_are_beams_too() -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    _ = pipeline | beam.Create([1, 2, 3]) | beam.ParDo(_Work()) | beam.Map(_slowly)
    result = pipeline.run()
    result.wait_until_finish()
    found = result.metrics().query(MetricsFilter().with_namespace(tally.NAMESPACE))["counters"]
    counted = {counter.key.metric.name: counter.result for counter in found}
    assert counted == tally.counts()
    assert counted["seen"] == 6
    assert set(counted) == {"seen", "stage_us.work", "stage_us.sum"}
    # `_slowly` is fused with the stage before, which is suspended meanwhile.
    assert counted["stage_us.sum"] >= 6 * 20_000
    assert counted["stage_us.work"] < counted["stage_us.sum"]


def test_time_is_counted_while_an_item_is_made_and_not_while_it_is_out() -> None:
    def items() -> Iterator[int]:
        time.sleep(0.05)
        yield 1
        time.sleep(0.05)
        yield 2

    taken = []
    for item in tally.timed("make", items()):
        taken.append(item)
        time.sleep(0.5)
    assert taken == [1, 2]
    assert 100_000 <= tally.counts()["stage_us.make"] < 1_000_000


def test_time_until_a_fault_is_counted_as_well() -> None:
    def items() -> Iterator[int]:
        time.sleep(0.02)
        raise KeyError("a mistake")
        yield 1

    with pytest.raises(KeyError):
        list(tally.timed("make", items()))
    assert tally.counts()["stage_us.make"] >= 20_000


def test_nothing_is_lost_of_what_is_timed() -> None:
    assert list(tally.timed("make", range(1_000))) == list(range(1_000))
    assert list(tally.timed("make", [])) == []
