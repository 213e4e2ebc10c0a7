"""One job over files of several channels: who said what stays apart, and nothing is done twice."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from tests.conftest import DATA
from tests.pipeline.test_transcribe import Row, read_rows, run
from transforms import tally

ANN = "he hoped there would be stew for dinner"
BOB = "had he married a more amiable woman"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    folder = tmp_path_factory.mktemp("calls")
    ann, rate_hz = soundfile.read(DATA / "audio" / "librispeech-1089-134686-0000.flac")
    bob, _ = soundfile.read(DATA / "audio" / "austen-0920.wav")
    count = min(len(ann), len(bob))
    ann, bob, dead = ann[:count], bob[:count], np.full(count, 0.01)
    files = {
        "ann": [ann],
        "bob": [bob],
        "call": [ann, bob],
        "dual": [ann, ann],
        "dead": [dead, ann],
        "phase": [ann, -ann],
    }
    rows = []
    for name, channels in files.items():
        soundfile.write(folder / f"{name}.wav", np.stack(channels, axis=1), rate_hz)
        each = name in ("call", "dual", "dead")
        channel = "each" if each else "mix"
        rows.append({"id": name, "audio_filepath": f"{name}.wav", "channel": channel})
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    exit_code, _ = run(["transcribe", str(manifest), "--output", str(folder / "out")])
    assert exit_code == 0
    return {
        row["recording_id"] + ("" if row["channel"] is None else f"#{row['channel']}"): row
        for row in read_rows(folder / "out", "recordings")
    }


def test_no_bleed(ledger: dict[str, Row]) -> None:
    assert ledger["ann"]["text"].startswith(ANN)
    assert ledger["bob"]["text"].startswith(BOB)
    for channel, alone in (("call#0", "ann"), ("call#1", "bob")):
        assert ledger[channel]["text"] == ledger[alone]["text"]
        assert ledger[channel]["status"] == "ok"
        assert ledger[channel]["same_as_channel"] is None


def test_dual_mono_is_noted(ledger: dict[str, Row]) -> None:
    assert ledger["dual#0"]["text"] == ledger["dual#1"]["text"] == ledger["ann"]["text"]
    assert ledger["dual#0"]["same_as_channel"] is None
    assert ledger["dual#1"]["same_as_channel"] == 0
    assert ledger["dual#1"]["num_words"] == ledger["ann"]["num_words"]


def test_a_dead_channel_is_silent(ledger: dict[str, Row]) -> None:
    assert (ledger["dead#0"]["status"], ledger["dead#0"]["num_segments"]) == ("silent", 0)
    assert ledger["dead#1"]["text"] == ledger["ann"]["text"]


def test_opposite_phase_is_heard(ledger: dict[str, Row]) -> None:
    assert ledger["phase"]["text"] == ledger["ann"]["text"]


def test_all_tracks_are_counted(ledger: dict[str, Row]) -> None:
    assert tally.current().tracks_planned == len(ledger) == 9
