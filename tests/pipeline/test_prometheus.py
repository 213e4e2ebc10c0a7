"""The text that Prometheus reads, and when which of it is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import prometheus
from pipeline.errors import ConfigurationError
from pipeline.prometheus import Family, MetricsFile, render

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})\{{({LABEL}(?:,{LABEL})*)\}} (\S+)")
ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parse(text: str) -> Samples:
    """Line by line as the format's specification has it; fails for a line that it does not know."""
    assert text == "" or text.endswith("\n")
    samples: Samples = {}
    described: set[str] = set()
    typed: set[str] = set()
    for line in text.split("\n")[:-1]:
        if described_line := re.fullmatch(rf"# HELP ({NAME}) (.+)", line):
            assert described_line[1] not in described
            described.add(described_line[1])
        elif typed_line := re.fullmatch(rf"# TYPE ({NAME}) gauge", line):
            assert typed_line[1] in described - typed
            typed.add(typed_line[1])
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] in typed
            labels = tuple(
                (name, re.sub(r"\\.", lambda found: ESCAPED[found[0]], value))
                for name, value in re.findall(LABEL, sample[2])
            )
            assert (sample[1], labels) not in samples
            samples[sample[1], labels] = float(sample[sample.lastindex or 0])
    assert described == typed == {name for name, _ in samples}
    return samples


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20))
def test_labels_come_back_as_they_were(value: str) -> None:
    family = Family("beamscribe_n", "What\nis \\ counted.", {(("type", value),): 3, (): 0.1})
    text = render([family, Family("beamscribe_none", "Nothing.", {})], (("output", value),))
    assert parse(text) == {
        ("beamscribe_n", (("output", value), ("type", value))): 3.0,
        ("beamscribe_n", (("output", value),)): 0.1,
    }


COMMIT = {
    "totals": {"ok": 2, "silent": 0, "partial": 1, "failed": 4, "audio_s": 12.5},
    "errors": {"UnreadableAudioError": 4, "CorruptAudioError": 1},
    "metrics": {"padding_waste": 0.25, "store_retries": 3, "stage_s": {"decode": 1.5}},
}


def read(path: Path) -> dict[str, float]:
    """Values by name and own label, without the label that all share."""
    found = {}
    for (name, labels), value in parse(path.read_text(encoding="utf-8")).items():
        shared, *own = labels
        assert shared == ("output", "s3://***@out")
        found[" ".join([name.removeprefix("beamscribe_last_"), *(text for _, text in own)])] = value
    return found


def test_a_call_that_ended_well_and_then_one_that_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "job.prom"
    clock = iter([1_000.5, 2_000.0, 3_000.0, 4_000.0])
    monkeypatch.setattr(prometheus.time, "time", lambda: next(clock))

    def call() -> MetricsFile:
        return MetricsFile(str(path), "s3://me:secret@out")

    call().write(2)
    first = read(path)
    del first["wall_seconds"]
    assert first == {"exit_code": 2, "end_timestamp_seconds": 1_000.5}

    good = call()
    good.note(COMMIT, skipped=7, failed=5)
    good.write(3)
    second = read(path)
    assert second.pop("wall_seconds") >= 0
    assert second == {
        "exit_code": 3,
        "end_timestamp_seconds": 2_000,
        "success_timestamp_seconds": 2_000,
        "recordings ok": 2,
        "recordings silent": 0,
        "recordings partial": 1,
        "recordings failed": 4,
        "errors UnreadableAudioError": 4,
        "errors CorruptAudioError": 1,
        "skipped_recordings": 7,
        "failed_recordings": 5,
        "audio_seconds": 12.5,
        "padding_ratio": 0.25,
        "stage_seconds decode": 1.5,
        "store_retries": 3,
    }

    call().write(1)
    third = read(path)
    assert (third["exit_code"], third["success_timestamp_seconds"]) == (1, 2_000)
    assert "recordings ok" not in third

    idle = call()
    idle.note(None, skipped=14, failed=0)
    idle.write(0)
    fourth = read(path)
    assert (fourth["recordings ok"], fourth["skipped_recordings"]) == (0, 14)
    assert fourth["success_timestamp_seconds"] == 4_000
    assert [file.name for file in tmp_path.iterdir()] == ["job.prom"]


def test_what_another_job_wrote_is_no_success_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "job.prom"
    MetricsFile(str(path), "other").write(0)
    MetricsFile(str(path), "mine").write(1)
    assert prometheus.LAST_SUCCESS not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["missing/job.prom", "."])
def test_a_file_that_cannot_be_written_is_said_first(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="--metrics-file"):
        MetricsFile(str(tmp_path / name), "out")
