"""One real job over good, bad, silent and broken input, read back from its Parquet."""

import itertools
import json
import math
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from pipeline.cli import main
from tests.conftest import DATA
from transforms import tally
from transforms.schema import RECORDINGS, TRANSCRIPTS
from transforms.tally import Tally

Row = dict[str, Any]


def wav_header(sample_rate_hz: int, kind: int = 1) -> bytes:
    return (
        b"RIFF"
        + struct.pack("<I", 36)
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, kind, 1, sample_rate_hz, 2 * sample_rate_hz, 2, 16)
    )


BAD_FILES = {
    "nothing.wav": b"",
    "half-header.wav": wav_header(16_000)[:22],
    "no-samples.wav": wav_header(44_100) + b"data" + struct.pack("<I", 0),
    "no-data-chunk.wav": wav_header(16_000) + b"HURF9999" + b"x" * 5_000,
    "unknown-coding.wav": wav_header(16_000, kind=0x6666) + b"data" + struct.pack("<I", 0),
    "absurd-rate.wav": wav_header(1_092_676) + b"data" + struct.pack("<I", 882) + bytes(882),
    "text.wav": b"this is a letter, not a recording\n" * 40,
}


@dataclass(frozen=True)
class Job:
    exit_code: int
    output: Path
    printed: str
    ledger: dict[str, Row]
    segments: list[Row]
    commit: dict[str, Any]
    tally: Tally


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("archive")
    rows: list[str] = []

    def add(**fields: Any) -> None:
        rows.append(json.dumps(fields))

    for line in (DATA / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        add(**{**row, "audio_filepath": str(DATA / row["audio_filepath"])})
    for name, content in BAD_FILES.items():
        (folder / name).write_bytes(content)
        add(audio_filepath=name)
    add(audio_filepath="missing.flac")
    soundfile.write(folder / "silence.wav", np.zeros(32_000), 16_000)
    add(audio_filepath="silence.wav")
    soundfile.write(folder / "click.wav", np.full(100, 0.1), 16_000)
    add(audio_filepath="click.wav")
    soundfile.write(folder / "nan.wav", np.full(16_000, math.nan), 16_000, subtype="FLOAT")
    add(audio_filepath="nan.wav")
    voice, rate_hz = soundfile.read(DATA / "audio" / "austen-0880.wav")
    soundfile.write(folder / "two.wav", np.stack([voice, np.zeros_like(voice)], axis=1), rate_hz)
    add(audio_filepath="two.wav", channel="each", batch="7")
    add(audio_filepath="two.wav", id="second-channel", channel=1)
    add(audio_filepath="two.wav", id="third-channel", channel=2)
    add(audio_filepath="two.wav", id="german", language="de")
    long = DATA / "audio" / "librispeech-1089-134686-0000.flac"
    add(audio_filepath=str(long), id="stretch", offset=2.0, duration=3.0)
    rows.append('{"audio_filepath": "torn.wav", "text": "no end')
    rows.append('{"text": "no audio"}')
    manifest = folder / "manifest.jsonl"
    manifest.write_text("\n".join(rows) + "\n", encoding="utf-8")

    output = folder / "out"
    exit_code, printed = run(["transcribe", str(manifest), "--output", str(output)])
    counted = tally.current()
    (commit_file,) = (output / "runs").iterdir()
    commit = json.loads(commit_file.read_text())
    ledger = read_rows(output, "recordings")
    keyed = {
        row["recording_id"] + ("" if row["channel"] is None else f"#{row['channel']}"): row
        for row in ledger
    }
    assert len(keyed) == len(ledger), "a recording and channel stands in the ledger twice"
    segments = read_rows(output, "transcripts")
    return Job(exit_code, output, printed, keyed, segments, commit, counted)


def run(argv: list[str]) -> tuple[int, str]:
    import contextlib
    import io

    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout):
        exit_code = main(argv)
    return exit_code, stdout.getvalue()


def read_rows(output: Path, table: str) -> list[Row]:
    rows: list[Row] = []
    for path in sorted((output / table).glob("run=*/*.parquet")):
        rows += pq.ParquetFile(path).read().to_pylist()
    return rows


def test_every_row_of_the_manifest_is_in_the_ledger_once(job: Job) -> None:
    manifest = (job.output.parent / "manifest.jsonl").read_text().splitlines()
    one_for_each_channel = 1
    assert len(job.ledger) == len(manifest) + one_for_each_channel
    assert job.exit_code == 3


def test_real_speech_becomes_words(job: Job) -> None:
    row = job.ledger["librispeech-1089-134691-0000"]
    assert row["status"] == "ok"
    assert row["text"] == row["reference"] == "he could wait no longer"
    assert (row["sample_rate"], row["num_channels"]) == (16_000, 1)
    assert row["duration"] == pytest.approx(2.085)
    assert row["num_words"] == 5
    assert 0.5 < row["confidence"] <= 1
    assert dict(row["metadata"])["source"].startswith("LibriSpeech")


@pytest.mark.parametrize(
    ("name", "error_type", "stage"),
    [
        ("nothing.wav", "EmptyAudioError", "plan"),
        ("half-header.wav", "UnreadableAudioError", "plan"),
        ("no-samples.wav", "EmptyAudioError", "plan"),
        ("no-data-chunk.wav", "UnreadableAudioError", "plan"),
        ("unknown-coding.wav", "UnreadableAudioError", "plan"),
        ("absurd-rate.wav", "UnsupportedAudioError", "plan"),
        ("text.wav", "UnreadableAudioError", "plan"),
        ("missing.flac", "UnreadableAudioError", "plan"),
        ("click.wav", "TooShortAudioError", "plan"),
        ("nan.wav", "CorruptAudioError", "decode"),
        ("third-channel", "UnsupportedAudioError", "plan"),
        ("german", "UnsupportedLanguageError", "plan"),
    ],
)
def test_bad_input_fails_alone_and_says_why(
    job: Job, name: str, error_type: str, stage: str
) -> None:
    row = job.ledger[name]
    assert (row["status"], row["error_type"], row["error_stage"]) == ("failed", error_type, stage)
    assert row["audio_uri"] in row["error_message"]
    assert row["text"] == ""
    assert row["num_segments"] == 0


def test_broken_lines_are_named(job: Job) -> None:
    manifest = job.output.parent / "manifest.jsonl"
    count = len(manifest.read_text().splitlines())
    for number in (count - 1, count):
        row = job.ledger[f"{manifest}:{number}"]
        assert (row["status"], row["error_stage"]) == ("failed", "manifest")
        assert f"{manifest}:{number}" in row["error_message"]


def test_silence_is_silent_and_nothing_else_is(job: Job) -> None:
    silent = {name for name, row in job.ledger.items() if row["status"] == "silent"}
    assert silent == {"silence.wav", "two.wav#1", "second-channel#1"}
    assert job.ledger["silence.wav"]["error_type"] is None


def test_each_channel_has_its_own_words(job: Job) -> None:
    assert job.ledger["two.wav#0"]["text"] == job.ledger["austen-0880"]["text"]
    assert job.ledger["two.wav#0"]["channel"] == 0
    assert dict(job.ledger["two.wav#0"]["metadata"]) == {"batch": "7"}


def test_a_stretch_keeps_the_time_of_its_recording(job: Job) -> None:
    (segment,) = (row for row in job.segments if row["recording_id"] == "stretch")
    assert (segment["start"], segment["end"]) == (2.0, 5.0)
    words = [
        word
        for row in job.segments
        if row["recording_id"] == "librispeech-1089-134686-0000"
        for word in row["words"]
    ]
    counts = Counter(word["word"] for word in words)
    whole = {word["word"]: word["start"] for word in words if counts[word["word"]] == 1}
    inner = [word for word in segment["words"][1:-1] if word["word"] in whole]
    assert len(inner) >= 3
    for word in inner:
        assert word["start"] == pytest.approx(whole[word["word"]], abs=0.041)


def test_times_are_in_order_and_in_bounds(job: Job) -> None:
    duration = {row["recording_id"]: row["duration"] for row in job.ledger.values()}
    last_end: dict[tuple[str, int | None], float] = {}
    assert job.segments
    for row in job.segments:
        key = (row["recording_id"], row["channel"])
        assert last_end.get(key, 0.0) <= row["start"] <= row["end"]
        assert row["end"] <= duration[row["recording_id"]] + 1e-9
        last = row["start"]
        for word in row["words"]:
            assert last <= word["start"] <= word["end"] <= row["end"]
            assert 0 <= word["confidence"] <= 1
            last = word["end"]
        last_end[key] = row["end"]
        assert row["text"] == " ".join(word["word"] for word in row["words"])


def test_segments_of_a_long_recording_tile_it(job: Job) -> None:
    segments = [row for row in job.segments if row["recording_id"] == "sonnet001"]
    assert [row["segment_index"] for row in segments] == list(range(len(segments)))
    assert len(segments) >= 2
    assert segments[0]["start"] == 0.0
    for before, after in itertools.pairwise(segments):
        assert before["end"] == after["start"]
    assert segments[-1]["end"] == pytest.approx(job.ledger["sonnet001"]["duration"], abs=1e-3)
    assert job.ledger["sonnet001"]["text"] == " ".join(row["text"] for row in segments)


def test_the_commit_names_every_file_and_adds_up(job: Job) -> None:
    written = sorted(str(path.relative_to(job.output)) for path in job.output.rglob("*.parquet"))
    assert sorted(job.commit["files"]) == written
    assert not list(job.output.rglob("_staging/*"))
    totals, statuses = job.commit["totals"], Counter(r["status"] for r in job.ledger.values())
    assert totals["recordings"] == len(job.ledger)
    assert {status: totals[status] for status in statuses} == dict(statuses)
    assert job.commit["configuration"]["decoder"] == "beam"
    # Infinity is no JSON, though Python reads it.
    text = (job.output / "runs" / f"{job.commit['run_id']}.json").read_text()
    json.loads(text, parse_constant=pytest.fail)
    assert job.commit["versions"]["apache-beam"].startswith("2.")


def test_parquet_has_the_schema_of_the_contract(job: Job) -> None:
    for table, schema in (("transcripts", TRANSCRIPTS), ("recordings", RECORDINGS)):
        for path in (job.output / table).glob("run=*/*.parquet"):
            assert pq.read_schema(path).equals(schema)
    assert {row["run_id"] for row in job.segments} == {job.commit["run_id"]}


def test_the_tally_counts_what_was_planned_and_done(job: Job) -> None:
    tracks = [row for row in job.ledger.values() if row["sample_rate"] is not None]
    assert job.tally.tracks_planned == len(tracks)
    stretch_s, whole_s = 3.0, job.ledger["stretch"]["duration"]
    planned_s = sum(row["duration"] for row in tracks) + stretch_s - whole_s
    assert job.tally.audio_planned_s == pytest.approx(planned_s, abs=0.05)
    spoken = [row for row in tracks if row["num_segments"]]
    assert job.tally.tracks_done == len(spoken)
    assert job.tally.audio_done_s == pytest.approx(
        sum(row["speech_duration"] for row in spoken), abs=0.05
    )


def test_the_summary_shows_texts_failures_and_places(job: Job) -> None:
    assert "he could wait no longer" in job.printed
    assert "missing.flac" in job.printed
    assert f"{len(job.ledger)} recordings" in job.printed
    assert f"{job.output}/transcripts/run={job.commit['run_id']}" in job.printed


def test_the_same_words_in_other_batches(job: Job, tmp_path: Path) -> None:
    """Other batch sizes, other neighbours, another number of workers, through the whole job."""
    arguments = ["--batch-seconds", "31", "--num-workers", "1", "--output", str(tmp_path)]
    exit_code, _ = run(["transcribe", str(DATA / "manifest.jsonl"), *arguments])
    assert exit_code == 0
    ours = {"recording_id", "segment_index", "start", "end", "text", "words"}
    before = {
        (row["recording_id"], row["segment_index"]): {name: row[name] for name in ours}
        for row in job.segments
    }
    again = read_rows(tmp_path, "transcripts")
    assert len(again) >= 11
    for row in again:
        expected = before[row["recording_id"], row["segment_index"]]
        for word, other in zip(row["words"], expected["words"], strict=True):
            assert word.pop("confidence") == pytest.approx(other["confidence"], abs=1e-3)
            assert word == {name: value for name, value in other.items() if name != "confidence"}
        assert (row["text"], row["start"], row["end"]) == (
            expected["text"],
            expected["start"],
            expected["end"],
        )


def test_greedy_gives_phonemes(tmp_path: Path) -> None:
    source = str(DATA / "audio" / "librispeech-1089-134691-0000.flac")
    exit_code, printed = run(
        ["transcribe", source, "--decoder", "greedy", "--output", str(tmp_path)]
    )
    assert exit_code == 0
    (row,) = read_rows(tmp_path, "recordings")
    assert row["recording_id"] == source
    assert row["text"].split()[0] == "hi"
    assert row["text"] in printed


@pytest.mark.parametrize("method", ["speech", "quiet"])
def test_other_ways_of_segmentation(method: str, tmp_path: Path) -> None:
    voice, rate_hz = soundfile.read(DATA / "audio" / "librispeech-1089-134691-0000.flac")
    noise = np.random.default_rng(0).normal(0, 0.002, 10 * rate_hz)
    soundfile.write(tmp_path / "rare.wav", np.concatenate([noise, voice, noise]), rate_hz)
    arguments = ["--segmentation", method, "--output", str(tmp_path / "out")]
    exit_code, _ = run(["transcribe", str(tmp_path / "rare.wav"), *arguments])
    assert exit_code == 0
    (row,) = read_rows(tmp_path / "out", "recordings")
    assert (row["status"], row["num_segments"]) == ("ok", 1)
    assert row["text"].startswith("he could")
    assert row["text"].endswith("no longer")
    (segment,) = read_rows(tmp_path / "out", "transcripts")
    assert row["speech_duration"] == pytest.approx(segment["end"] - segment["start"])
    if method == "speech":
        assert row["speech_duration"] < 3
        assert 9 < segment["start"] < 11
    else:
        assert row["speech_duration"] == row["duration"]
