"""Reading what FFmpeg knows, through PyAV: mp3, m4a, mp4, webm, mkv, aac, amr, wma and video."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import BinaryIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from transforms.clock import LONGEST_HOLE_S, SEEKABLE, UNSTAMPED, Clock
from transforms.errors import UnsupportedAudioError
from transforms.junk import Junk, is_no_sound, promised_by_xing
from transforms.reader import AudioHeader, Block

COUNTED = {"mov", "flac", "ogg", "wav", "w64", "aiff", "au", "caf"}
"""Headers that count samples; elsewhere a duration is an estimate, or that of another stream."""
TOLERANCE_S = Fraction(1, 10)
MICROSECONDS = 1_000_000
UNCOUNTED = 2**62
MOST_ERRORS = 64
SCALES = {"u8": 2.0**-7, "s16": 2.0**-15, "s32": 2.0**-31, "s64": 2.0**-63}


class FfmpegReader:
    """One file, opened anew by each pass over it. Its best audio stream is read."""

    def __init__(self, stored: BinaryIO, demuxer: str, most_samples: int | None = None) -> None:
        """A header that counts more than `most_samples` is not believed."""
        self._stored = stored
        self._demuxer = demuxer
        self._most_samples = most_samples
        with self._open() as (container, stream):
            self._rate_hz = stream.codec_context.sample_rate
            self._num_channels = stream.codec_context.channels
            self._layout = stream.codec_context.layout.name
            counted = self._counted_samples(container, stream)
        self._tolerance_samples = int(TOLERANCE_S * self._rate_hz)
        # What was found by looking at packets may not all decode; that is noticed where it is.
        self.tolerance_samples = UNCOUNTED if counted is None else self._tolerance_samples

    def close(self) -> None:
        """Nothing stays open between passes."""

    def header(self) -> AudioHeader:
        with self._open() as (container, stream):
            counted = self._counted_samples(container, stream)
            num_samples = self._scan(container, stream) if counted is None else counted
            promised = self._promised_samples(container, stream)
            return AudioHeader(
                container=container.format.name.split(",")[0],
                codec=stream.codec_context.name,
                sample_rate_hz=self._rate_hz,
                num_channels=self._num_channels,
                num_samples=num_samples,
                seekable=self._demuxer in SEEKABLE,
                missing_samples=(
                    max(0, promised - num_samples)
                    if promised - num_samples > self._tolerance_samples
                    else 0
                ),
            )

    def blocks(self, first: int) -> Iterator[Block]:
        with self._open() as (container, stream):
            seeks = self._demuxer in SEEKABLE and first > self._rate_hz
            if seeks:
                second = Fraction(first - self._rate_hz, self._rate_hz)
                container.seek(int(second / _time_base(stream)), stream=stream)
            for block in self._decode(container, stream, begins_anywhere=seeks):
                if block.first_sample >= first:
                    yield block
                elif block.end_sample > first:
                    skipped = first - block.first_sample
                    yield Block(first, block.frames[skipped:], block.after_loss)

    def _decode(
        self, container: InputContainer, stream: AudioStream, begins_anywhere: bool
    ) -> Iterator[Block]:
        end = self._counted_samples(container, stream)
        clock = Clock(self._demuxer, self._rate_hz, begins_anywhere)
        stamp = self._stamps(container, stream)
        junk = Junk(self._stored) if self._demuxer in UNSTAMPED else None
        frame_samples = 0
        for packet, frames in _packets(container, stream):
            if frames is None:
                if junk is None or packet is None or not is_no_sound(bytes(packet)):
                    clock.miss()
                continue
            if junk is not None and packet is not None and packet.size:
                count = junk.frames_before(packet, clock.lost)
                frame_samples = self._samples(packet.duration, stream)
                clock.lost = clock.lost and count is not None
                clock.skip((count or 0) * frame_samples)
            for frame in frames:
                samples = self._samples_of(frame)
                if not len(samples):
                    clock.miss()
                    continue
                clock.place(stamp(frame), len(samples))
                position, samples = clock.position, samples[max(0, -clock.position) :]
                samples = samples if end is None else samples[: max(0, end - position)]
                yield Block(max(0, position), samples, clock.lost)
                clock.advance(len(samples) + max(0, -position))
        if clock.lost and not (junk and junk.ends_in_tag()):
            clock.skip(junk.frames_at_end() * frame_samples if junk else 0)
            yield Block(clock.position, np.zeros((0, self._num_channels), np.float32), True)

    def _stamps(
        self, container: InputContainer, stream: AudioStream
    ) -> Callable[[AudioFrame], int | None]:
        """From a frame to the sample that its timestamp names, counted from the file's begin."""
        ticks = _time_base(stream) * self._rate_hz
        begin = round(Fraction(container.start_time or 0, MICROSECONDS) * self._rate_hz)

        def stamp(frame: AudioFrame) -> int | None:
            if frame.pts is None:
                return None
            return round(frame.pts * ticks.numerator / ticks.denominator) - begin

        return stamp

    def _samples(self, duration: int | None, stream: AudioStream) -> int:
        return round((duration or 0) * _time_base(stream) * self._rate_hz)

    def _samples_of(self, frame: AudioFrame) -> NDArray[np.float32]:
        """`(samples, channels)` float32, whatever the frame holds; none where it makes no sense."""
        if frame.sample_rate == self._rate_hz and frame.layout.nb_channels == self._num_channels:
            return _floats(frame)
        # A stream may change in the middle, as when advertisements are put into a programme.
        try:
            converter = AudioResampler("fltp", self._layout, self._rate_hz)
            converted = [*converter.resample(frame), *converter.resample(None)]
        except av.FFmpegError:
            converted = []
        pieces = [_floats(each) for each in converted]
        return np.concatenate([*pieces, np.zeros((0, self._num_channels), np.float32)])

    def _counted_samples(self, container: InputContainer, stream: AudioStream) -> int | None:
        if self._demuxer not in COUNTED or not stream.duration:
            return None
        late = Fraction(0)
        if stream.start_time is not None and container.start_time is not None:
            begin = Fraction(container.start_time, MICROSECONDS)
            late = max(late, stream.start_time * _time_base(stream) - begin)
            late = late if late > TOLERANCE_S else Fraction(0)
        counted = round((late + stream.duration * _time_base(stream)) * self._rate_hz)
        return counted if self._most_samples is None or counted <= self._most_samples else None

    def _promised_samples(self, container: InputContainer, stream: AudioStream) -> int:
        """What a header says where it is neither an estimate nor about another stream; else 0."""
        if self._demuxer == "matroska" and container.duration and len(container.streams) == 1:
            return container.duration * self._rate_hz // MICROSECONDS
        return promised_by_xing(self._stored) if self._demuxer == "mp3" else 0

    def _scan(self, container: InputContainer, stream: AudioStream) -> int:
        """Samples by the packets' durations and timestamps, without decoding."""
        counted = end = 0
        primed = self._demuxer != "aac"
        ticks = _time_base(stream) * self._rate_hz
        begin = round(Fraction(container.start_time or 0, MICROSECONDS) * self._rate_hz)
        for packet in _demux(container, stream):
            if packet is None or not packet.size:
                continue
            if primed:
                counted += self._samples(packet.duration, stream) - _skipped_samples(packet)
            primed = True
            if packet.pts is not None and self._demuxer not in UNSTAMPED:
                stamped = round((packet.pts + (packet.duration or 0)) * ticks) - begin
                if stamped - max(counted, end) <= LONGEST_HOLE_S * self._rate_hz:
                    end = max(end, stamped)
        return max(counted, end)

    @contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, AudioStream]]:
        self._stored.seek(0)
        with av.open(
            _Bytes(self._stored), "r", format=self._demuxer, metadata_errors="ignore"
        ) as container:
            stream = container.streams.best("audio")
            if not isinstance(stream, AudioStream):
                raise UnsupportedAudioError("holds no audio stream")
            if stream.codec_context is None:
                raise UnsupportedAudioError("holds audio in a coding that is not known")
            stream.codec_context.thread_count = 1
            if stream.codec_context.name == "flac":
                # Each frame has its checksum; FFmpeg heeds it only when asked to.
                stream.codec_context.options = {"err_detect": "crccheck+explode"}
            yield container, stream


class _Bytes:
    """The little of a file that PyAV needs: no name to guess a format by, nothing to close."""

    def __init__(self, stored: BinaryIO) -> None:
        self.read = stored.read
        self.seek = stored.seek
        self.tell = stored.tell


def _demux(container: InputContainer, stream: AudioStream) -> Iterator[Packet[AudioStream] | None]:
    """Packets; None for one that could not be read."""
    errors = 0
    while errors < MOST_ERRORS:
        try:
            for packet in container.demux(stream):
                errors = 0
                yield packet
            return
        except (av.FFmpegError, IndexError):
            # IndexError: PyAV meets a packet of a stream that began after the file was opened.
            errors += 1
            yield None


def _packets(
    container: InputContainer, stream: AudioStream
) -> Iterator[tuple[Packet[AudioStream] | None, list[AudioFrame] | None]]:
    """Packets with their frames; None for what could not be decoded."""
    for packet in _demux(container, stream):
        try:
            yield packet, None if packet is None else packet.decode()
        except av.FFmpegError:
            yield packet, None


def _floats(frame: AudioFrame) -> NDArray[np.float32]:
    values = frame.to_ndarray()
    planar = frame.format.is_planar
    frames = values.T if planar else values.reshape(-1, frame.layout.nb_channels)
    scale = SCALES.get(frame.format.name.removesuffix("p"))
    if frame.format.name.startswith("u8"):
        frames = frames.astype(np.float32) - 128
    return np.ascontiguousarray(frames if scale is None else frames * scale, dtype=np.float32)


def _skipped_samples(packet: Packet[AudioStream]) -> int:
    """Samples of a packet that are padding, before and after the sound."""
    if not packet.has_sidedata("skip_samples"):
        return 0
    before, after = struct.unpack_from("<II", bytes(packet.get_sidedata("skip_samples")))
    return int(before + after)


def _time_base(stream: AudioStream) -> Fraction:
    return stream.time_base or Fraction(1, MICROSECONDS)
