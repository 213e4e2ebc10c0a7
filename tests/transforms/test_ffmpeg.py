"""What FFmpeg reads: the right samples at the right times, whatever the coding and the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from tests.transforms.encoding import RATE_HZ, chirps, encode
from transforms.audio_file import AudioFile, open_audio
from transforms.errors import UnreadableAudioError, UnsupportedAudioError
from transforms.store import Stores

# suffix, muxer, coder, kind, what it was coded as, share of the sound that survives
CODINGS = [
    ("m4a", "ipod", "aac", "mov", "aac", 0.9),
    ("mp4", "mp4", "aac", "mov", "aac", 0.9),
    ("mkv", "matroska", "aac", "matroska", "aac", 0.9),
    ("webm", "webm", "libopus", "matroska", "opus", 0.9),
    ("aac", "adts", "aac", "aac", "aac", 0.9),
    ("mp3", "mp3", "libmp3lame", "mp3", "mp3float", 0.9),
    ("wma", "asf", "wmav2", "asf", "wmav2", 0.9),
    ("ts", "mpegts", "aac", "mpegts", "aac", 0.9),
    ("flv", "flv", "libmp3lame", "flv", "mp3float", 0.9),
    ("avi", "avi", "pcm_s16le", "avi", "pcm_s16le", 0.999),
    ("mov", "mov", "pcm_s24le", "mov", "pcm_s24le", 0.999),
    ("alac", "ipod", "alac", "mov", "alac", 0.999),
    ("ac3", "ac3", "ac3", "ac3", "ac3", 0.9),
    ("wv", "wv", "wavpack", "wv", "wavpack", 0.999),
    ("tta", "tta", "tta", "tta", "tta", 0.999),
]
# How late a coder is where the container does not tell: a frame of it at most. The decoder of WMA
# keeps its first frame for itself.
UNTOLD_DELAYS = {"ts": 1024, "ac3": 256, "flv": 1105, "wma": -2048}


@contextmanager
def opened(path: Path) -> Iterator[AudioFile]:
    with open_audio(str(path), Stores()) as file:
        yield file


def read(path: Path, first: int = 0) -> NDArray[np.float32]:
    """All samples from `first` on, `(samples, channels)`, without holes."""
    position, frames = first, []
    with opened(path) as file:
        for block in file.blocks(first, 10**9):
            assert block.first_sample == position
            assert not block.after_loss
            position += len(block.frames)
            frames.append(block.frames)
    return np.concatenate(frames)


def delay_samples(sound: NDArray[np.float32], reference: NDArray[np.float32]) -> tuple[int, float]:
    """By how many samples `sound` is late, and how alike both are then, 0..1."""
    size = 1 << int(np.ceil(np.log2(len(sound) + len(reference))))
    ours, theirs = np.fft.rfft(sound, size), np.fft.rfft(reference, size)
    correlation = np.fft.irfft(ours * np.conj(theirs), size)
    best = int(correlation.argmax())
    alike = correlation[best] / np.sqrt(np.sum(sound**2) * np.sum(reference**2))
    return best - size * (best > size // 2), float(alike)


@pytest.mark.parametrize(("suffix", "muxer", "coder", "kind", "codec", "alike"), CODINGS)
def test_sound_lies_where_it_lay(
    tmp_path: Path, suffix: str, muxer: str, coder: str, kind: str, codec: str, alike: float
) -> None:
    samples = chirps(2.2)
    path = encode(tmp_path / f"a.{suffix}", samples, muxer, coder)
    with opened(path) as file:
        header = file.header()
    assert (header.container, header.codec) == (kind, codec)
    assert (header.sample_rate_hz, header.num_channels) == (RATE_HZ, 1)
    assert not header.seekable
    assert header.missing_samples == 0
    sound = read(path)
    delay, likeness = delay_samples(sound[:, 0], samples[:, 0])
    assert delay == UNTOLD_DELAYS.get(suffix, 0)
    assert likeness > alike
    assert abs(len(sound) - len(samples)) <= 2048
    assert abs(header.num_samples - len(sound)) <= 2048


@pytest.mark.parametrize(("suffix", "muxer", "coder"), [row[:3] for row in CODINGS[:6]])
def test_reading_may_begin_anywhere(tmp_path: Path, suffix: str, muxer: str, coder: str) -> None:
    path = encode(tmp_path / f"a.{suffix}", chirps(2.2, channels=2), muxer, coder)
    whole = read(path)
    assert whole.shape[1] == 2
    for first in (1, 1023, 50_000, len(whole) - 1):
        np.testing.assert_array_equal(read(path, first), whole[first:])


def test_the_suffix_is_not_believed(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.wav", chirps(0.5), "ipod", "aac")
    with opened(path) as file:
        assert file.header().container == "mov"


def test_sound_beside_a_picture(tmp_path: Path) -> None:
    """The time of the sound is that of the film, and a film may begin before its sound does."""
    samples, path = chirps(1.5), tmp_path / "film.mkv"
    with av.open(str(path), "w", format="matroska") as container:
        picture = container.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("flac", rate=RATE_HZ, layout="mono")
        for number in range(50):
            image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            image.pts, image.time_base = number, Fraction(1, 25)
            container.mux(picture.encode(image))
        container.mux(picture.encode(None))
        for first in range(0, len(samples), 4096):
            piece = (samples[first : first + 4096].T * 32_767).astype(np.int16)
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(piece), "s16", "mono")
            frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
            frame.pts = first + RATE_HZ // 2
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with opened(path) as file:
        header = file.header()
        blocks = list(file.blocks(0, 10**9))
    assert (header.codec, header.missing_samples) == ("flac", 0)
    assert abs(header.num_samples - 2 * RATE_HZ) <= RATE_HZ // 100
    assert abs(blocks[0].first_sample - RATE_HZ // 2) <= RATE_HZ // 1000
    assert not any(block.after_loss for block in blocks)


def test_a_film_without_sound(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux(picture.encode(image))
        container.mux(picture.encode(None))
    with pytest.raises(UnsupportedAudioError, match=r"silent\.mp4 holds no audio"), opened(path):
        pass


def test_mp4_that_was_cut_off(tmp_path: Path) -> None:
    """With its index in front what is there can be read, without it nothing can."""
    samples = chirps(2.2)
    whole = encode(tmp_path / "a.mp4", samples, "mp4", "aac", movflags="faststart")
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    with opened(whole) as file:
        assert file.header().num_samples == len(samples)
        blocks = list(file.blocks(0, 10**9))
    assert 0.2 * len(samples) < blocks[-1].end_sample < 0.8 * len(samples)

    late = encode(tmp_path / "late.mp4", samples, "mp4", "aac")
    late.write_bytes(late.read_bytes()[:-2000])
    with pytest.raises(UnreadableAudioError, match=r"late\.mp4 is not audio that can be read"):
        num_samples(late)


def num_samples(path: Path) -> int:
    with opened(path) as file:
        return file.header().num_samples


@pytest.mark.parametrize("rate_hz", [8000, 16_000])
def test_matroska_without_a_duration(tmp_path: Path, rate_hz: int) -> None:
    """As browsers record it: no duration, no index."""
    samples = chirps(2.0, rate_hz)
    path = encode(tmp_path / "a.webm", samples, "webm", "libopus", rate_hz, live="1")
    with opened(path) as file:
        header = file.header()
    assert header.sample_rate_hz == RATE_HZ
    assert abs(header.num_samples - 2.0 * RATE_HZ) <= 960
    assert header.missing_samples == 0


def test_matroska_that_was_cut_off(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mka", chirps(2.0), "matroska", "flac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with opened(path) as file:
        header = file.header()
    assert header.num_samples < 1.5 * RATE_HZ
    assert abs(header.num_samples + header.missing_samples - 2.0 * RATE_HZ) <= RATE_HZ // 10


def test_what_looks_like_a_playlist_opens_nothing(tmp_path: Path) -> None:
    other = encode(tmp_path / "other.mp3", chirps(0.5), "mp3", "libmp3lame")
    for content in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{other}'\n",
    ):
        path = tmp_path / "list.mp3"
        path.write_text(content)
        with pytest.raises(UnreadableAudioError, match=r"list\.mp3 is not audio: it is a playlist"):
            num_samples(path)
