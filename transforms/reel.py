"""A reel into waveforms: one pass over a file, span by span, in bounded memory.

Neighbouring spans find the same edge between them, whether one worker decodes both or two do, so
together they lose and repeat nothing. Resampling has context on both sides of an edge, so a seam
cannot be heard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transforms.amplitude import NONE, Meter
from transforms.audio_file import AudioFile, open_audio
from transforms.audio_plan import AudioPlan, plan_spans
from transforms.channels import mixed
from transforms.errors import (
    CorruptAudioError,
    RecordingError,
    TruncatedAudioError,
    UnreadableAudioError,
)
from transforms.quiet import quietest_sample
from transforms.reader import Block
from transforms.records import Reel, Span, Track, Waveform
from transforms.resample import grid_samples, resample
from transforms.tape import Loss, Tape


@dataclass(frozen=True, slots=True, eq=False)
class DecodedSpan:
    """The waveforms of one span, and what is missing of it."""

    waveforms: tuple[Waveform, ...]
    error: RecordingError | None


def decode_reel(reel: Reel, plan: AudioPlan) -> Iterator[DecodedSpan]:
    """One by one, the spans of a reel at the model's rate.

    Raises a `RecordingError` where the file cannot be read any more.
    """
    track, first, last = reel.spans[0].tracks[0], reel.spans[0], reel.spans[-1]
    rate_hz = track.sample_rate_hz
    margin = plan.margin_samples(rate_hz)
    begin = max(track.start_sample, first.start_sample - (margin if first.index else 0))
    closes = last.index + 1 == track.num_spans
    if not closes:
        limit = min(track.end_sample, last.end_sample + margin)
    elif track.end_sample < track.num_samples:
        limit = track.end_sample
    else:
        # More than the header says is welcome, as far as memory goes.
        limit = track.end_sample + plan.span_samples(rate_hz, track.num_channels)
    seam = limit if closes else max(begin, last.end_sample - margin)

    with open_audio(track.recording.uri, plan.stores) as file:
        if file.fingerprint != track.fingerprint:
            raise UnreadableAudioError(
                f"{track.recording.uri} changed while it was being transcribed"
            )
        tape = Tape(begin, _kept(first.tracks), _blocks(file, begin, seam, limit))
        for span in reel.spans:
            wanted = limit if span is last else min(limit, span.end_sample + margin)
            tape.extend(wanted)
            if span.index not in reel.skipped:
                yield _decode_span(span, tape, wanted, file.tolerance_samples, plan)
            tape.forget_before(span.end_sample - margin)


def with_gains(tracks: list[Track], plan: AudioPlan) -> list[Track]:
    """The tracks of one file with the gains that `plan.normalisation` asks for.

    This takes a pass over the file: a gain must be that of the whole track, or it would depend on
    how the track is cut. Raises as `decode_reel` does.
    """
    if plan.normalisation == NONE:
        return tracks
    meters = {track.channel: Meter(plan.model_rate_hz) for track in tracks}
    # What spans share would be metered twice.
    alone = replace(plan, context_s=0.0)
    for decoded in decode_reel(Reel(tuple(plan_spans(tracks, alone))), alone):
        for waveform in decoded.waveforms:
            for track in waveform.tracks:
                meters[track.channel].add(waveform.samples)
    return [replace(track, gain=meters[track.channel].gain(plan.normalisation)) for track in tracks]


def _blocks(file: AudioFile, begin: int, seam: int, limit: int) -> Iterator[Block]:
    """From `seam` on a reel is read anew, just as the next reel reads its beginning.

    Some decoders give samples that differ in their last bits with where reading began, and an edge
    must be found at the same place by both.
    """
    yield from file.blocks(begin, seam)
    if seam < limit:
        yield from file.blocks(seam, limit)


def _kept(tracks: tuple[Track, ...]) -> list[int]:
    """The channels that the tracks need, in the order of the file."""
    numbers = {track.channel for track in tracks}
    return [number for number in range(tracks[0].num_channels) if numbers & {number, None}]


def _voice(tape: Tape, track: Track, kept: list[int], first: int, last: int) -> NDArray[np.float32]:
    if track.channel is None:
        return mixed([tape.channel(index, first, last) for index in range(len(kept))])
    return tape.channel(kept.index(track.channel), first, last)


def _decode_span(
    span: Span, tape: Tape, wanted: int, tolerance: int, plan: AudioPlan
) -> DecodedSpan:
    track = span.tracks[0]
    rate_hz = track.sample_rate_hz
    reach = plan.reach_samples(rate_hz)
    margin, around = plan.margin_samples(rate_hz), plan.around_samples(rate_hz)
    closes = span.index + 1 == track.num_spans
    grid = grid_samples(rate_hz, plan.model_rate_hz)
    scale = grid_samples(plan.model_rate_hz, rate_hz)
    found = tape.end if tape.end < wanted and tape.end != track.num_samples else None
    error = _fault(span, tape, wanted, tolerance)
    lost = tape.lost(span.start_sample, span.end_sample)
    if tape.end <= (span.start_sample - reach if span.index else span.start_sample):
        if error is not None:
            return DecodedSpan((), error)
        # Estimated further than the file goes: a span of nothing, and nothing is missing.
        start = tape.end // grid * scale
        nothing = np.zeros(0, np.float32)
        empty = Waveform(
            span.tracks, span.index, start, plan.model_rate_hz, nothing, found_samples=found
        )
        return DecodedSpan((empty,), None)
    if sum(loss.last - loss.first for loss in lost) >= tape.end - span.start_sample:
        return DecodedSpan((), error)

    kept = _kept(span.tracks)
    begin = max(track.start_sample, span.start_sample - (margin if span.index else 0))

    def edge(track: Track, nominal: int) -> int:
        around = _voice(tape, track, kept, nominal - reach, nominal + reach)
        return nominal - reach + quietest_sample(around, rate_hz, step_samples=grid)

    shared: dict[tuple[int, int, float, bytes], list[Track]] = {}
    waveforms: list[Waveform] = []
    for track in span.tracks:
        start = edge(track, span.start_sample) if span.index else span.start_sample
        end = min(tape.end, wanted)
        # The next span reads the same samples up to a break, and so finds the same edge before it.
        if not closes and end > span.end_sample - reach:
            end = edge(track, span.end_sample)
        voice = _voice(tape, track, kept, begin, min(tape.end, wanted))
        key = (start, end, track.gain, hashlib.blake2b(voice.data).digest())
        if key in shared:
            shared[key].append(track)
            continue
        shared[key] = [track]
        resampled = resample(voice, rate_hz, plan.model_rate_hz)
        heard_start = max(begin, start - around) if span.index else start
        heard_end = end if closes else min(begin + len(voice), end + around)
        left = (heard_start - begin) // grid * scale
        # Rounded down: a last sample that begins before the end must not last beyond it.
        right = (heard_end - begin) * plan.model_rate_hz // rate_hz
        waveforms.append(
            Waveform(
                tracks=(),
                span_index=span.index,
                start_samples=heard_start // grid * scale,
                sample_rate_hz=plan.model_rate_hz,
                samples=resampled[left:right] * np.float32(track.gain),
                core_start_samples=start // grid * scale if heard_start < start else None,
                core_end_samples=end // grid * scale if end < heard_end else None,
                found_samples=found,
                whole=error is None,
            )
        )
    return DecodedSpan(
        tuple(
            replace(waveform, tracks=tuple(tracks))
            for waveform, tracks in zip(waveforms, shared.values(), strict=True)
        ),
        error,
    )


def _fault(span: Span, tape: Tape, wanted: int, tolerance: int) -> RecordingError | None:
    """What is missing of a span, as far as the tape goes."""
    track = span.tracks[0]
    uri, rate_hz = track.recording.uri, track.sample_rate_hz
    closes = span.index + 1 == track.num_spans
    if tape.end + tolerance < min(wanted, track.end_sample):
        return TruncatedAudioError(
            f"{uri} breaks off at {tape.end / rate_hz:.3f} s of {track.duration_s:.3f} s"
        )
    promised = track.end_sample + track.missing_samples
    if closes and track.missing_samples and tape.end + min(tolerance, rate_hz // 10) < promised:
        whole_s = (track.num_samples + track.missing_samples) / rate_hz
        return TruncatedAudioError(
            f"{uri} breaks off at {track.duration_s:.3f} s; its header promises {whole_s:.3f} s"
        )
    if closes and tape.end >= wanted > track.end_sample:
        return CorruptAudioError(
            f"{uri} goes on beyond the {track.duration_s:.3f} s that its header promises; "
            f"what lies beyond {wanted / rate_hz:.3f} s was not read"
        )
    return _loss_error(uri, rate_hz, tape.lost(span.start_sample, max(span.end_sample, tape.end)))


def _loss_error(uri: str, rate_hz: int, losses: list[Loss]) -> CorruptAudioError | None:
    if not losses:
        return None
    first = losses[0]
    what = "holds samples that are not finite numbers" if first.decoded else "does not decode"
    place = f"from {first.first / rate_hz:.3f} s to {first.last / rate_hz:.3f} s"
    others = f", nor at {len(losses) - 1} other place(s)" if len(losses) > 1 else ""
    return CorruptAudioError(f"{uri} {what} {place}{others}")
