"""What a finished job counted, as one dictionary for its commit."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from apache_beam.metrics.metric import MetricsFilter
from apache_beam.runners.runner import PipelineResult

from transforms import tally
from transforms.commit import write_whole
from transforms.redact import redacted
from transforms.store import Stores

Metrics = dict[str, Any]

_log = logging.getLogger(__name__)


def gather(result: PipelineResult, recordings_skipped: int) -> Metrics:
    """The metrics of a job that has finished, whoever ran it.

    A count is Beam's or this process's own, whichever is greater: where everything ran here, the
    own one holds Beam's, and with it what was counted before the job and on threads that Beam does
    not know; elsewhere the workers' is with Beam alone.
    """
    found = result.metrics().query(MetricsFilter().with_namespace(tally.NAMESPACE))
    counts = tally.counts()
    for counter in found["counters"]:
        name = counter.key.metric.name
        counts[name] = max(counts.get(name, 0), int(counter.result))
    distributions = {
        distribution.key.metric.name: {
            "count": distribution.result.count,
            "sum": distribution.result.sum,
            "min": distribution.result.min,
            "max": distribution.result.max,
        }
        for distribution in found["distributions"]
    }
    return describe(counts, distributions, recordings_skipped)


def describe(
    counts: Mapping[str, int], distributions: Mapping[str, Any], recordings_skipped: int
) -> Metrics:
    """Counts in the units that people read: seconds, and padding as a share, 0..1.

    `stage_s` is time spent in a stage by all workers together. `padding_waste` is how much of what
    the model was given was padding; null where it was given nothing.
    """
    counts = dict(counts)
    audio_ms, padded_ms = counts.pop("recognized_audio_ms", 0), counts.pop("padded_audio_ms", 0)
    stages = {name: counts.pop(name) for name in list(counts) if name.startswith(tally.STAGE_US)}
    return {
        "recordings_skipped": recordings_skipped,
        "recognized_audio_s": audio_ms / 1000,
        "padded_audio_s": padded_ms / 1000,
        "padding_waste": round(1 - audio_ms / padded_ms, 4) if padded_ms else None,
        "store_retries": counts.pop("store_retries", 0),
        "stage_s": {
            name.removeprefix(tally.STAGE_US): round(us / 1e6, 3)
            for name, us in sorted(stages.items())
        },
        "counters": dict(sorted(counts.items())),
        "distributions": dict(sorted(distributions.items())),
    }


def add_to_commit(
    commit: Mapping[str, Any], metrics: Metrics, commit_file: str, stores: Stores
) -> dict[str, Any]:
    """The commit with its metrics, written again as a whole.

    Where that fails the commit stays as it is: a run is worth more than what it counted.
    """
    full = {**commit, "metrics": metrics}
    try:
        text = redacted(json.dumps(full, indent=2, ensure_ascii=False)) + "\n"
        write_whole(commit_file, text, stores)
    except OSError as error:
        _log.warning("the metrics of run %s are not in its file: %s", commit["run_id"], error)
    return full
