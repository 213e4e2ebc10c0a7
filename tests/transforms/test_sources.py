"""What directories and globs name, on a disk and in a store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from transforms.errors import ManifestError
from transforms.manifest import read_sources
from transforms.records import Failure, Recording
from transforms.sources import AudioFile, ManifestFile, UnlistedFolder, find_files
from transforms.store import Stores

FILES = (
    *("b.wav", "a.FLAC", "notes.txt", "m.jsonl", "._b.wav", "call.vox"),
    *("sub/c.mp3", "sub/.hidden", "sub/deep/d.wav", ".cache/e.wav", "sub-2/f.m4a"),
)


@pytest.fixture(params=["disk", "memory"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "disk":
        for name in FILES:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"{}")
        yield str(tmp_path)
        return
    filesystem = fsspec.filesystem("memory")
    for name in FILES:
        filesystem.pipe(f"/beamscribe-archive/{name}", b"{}")
    yield "memory://beamscribe-archive"
    filesystem.rm("/beamscribe-archive", recursive=True)


def found(source: str) -> list[AudioFile | ManifestFile | UnlistedFolder]:
    return list(find_files(source, Stores()))


def uris(source: str) -> list[str]:
    return [file.uri for file in found(source)]


def test_a_directory_is_searched_in_order(archive: str) -> None:
    expected = [
        AudioFile(name, f"{archive}/{name}")
        for name in ("a.FLAC", "b.wav", "sub/c.mp3", "sub/deep/d.wav", "sub-2/f.m4a")
    ]
    assert found(archive) == found(f"{archive}/") == expected


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.wav", ["b.wav"]),
        ("*", ["a.FLAC", "b.wav"]),
        ("?.[FW]LAC", ["a.FLAC"]),
        ("**/*.wav", ["b.wav", "sub/deep/d.wav"]),
        ("**", ["a.FLAC", "b.wav", "sub/c.mp3", "sub/deep/d.wav", "sub-2/f.m4a"]),
        ("sub*/*", ["sub/c.mp3", "sub-2/f.m4a"]),
        ("sub/**/*.wav", ["sub/deep/d.wav"]),
        ("*.vox", ["call.vox"]),
        ("**/.cache/*.wav", [".cache/e.wav"]),
        ("*/nothing/*.wav", []),
        ("*.ogg", []),
    ],
)
def test_globs(archive: str, pattern: str, names: list[str]) -> None:
    assert found(f"{archive}/{pattern}") == [
        AudioFile(f"{archive}/{name}", f"{archive}/{name}") for name in names
    ]


@pytest.mark.parametrize("pattern", ["*.jsonl", "**/m*.jsonl"])
def test_a_glob_of_manifests(archive: str, pattern: str) -> None:
    assert found(f"{archive}/{pattern}") == [ManifestFile(f"{archive}/m.jsonl")]


def test_a_glob_from_where_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.wav").touch()
    monkeypatch.chdir(tmp_path)
    assert uris("*.wav") == ["a.wav"]
    assert uris("**/*.wav") == ["a.wav"]
    assert uris(".") == ["./a.wav"]


def test_a_glob_within_an_archive(tmp_path: Path) -> None:
    archive = fsspec.filesystem("zip", fo=str(tmp_path / "a.zip"), mode="w")
    for name in ("sub/a.wav", "sub/b.flac"):
        archive.pipe(name, b"x")
    archive.close()
    chained = f"::{tmp_path}/a.zip"
    assert uris(f"zip://sub/*.wav{chained}") == [f"zip://sub/a.wav{chained}"]
    assert uris(f"zip://**/*.wav{chained}") == [f"zip://sub/a.wav{chained}"]
    assert uris(f"zip://sub{chained}") == [
        f"zip://sub/a.wav{chained}",
        f"zip://sub/b.flac{chained}",
    ]


def test_a_file_with_the_name_of_a_pattern_is_itself(tmp_path: Path) -> None:
    for name in ("take [1].wav", "take 1.wav"):
        (tmp_path / name).touch()
    assert uris(f"{tmp_path}/take [1].wav") == [f"{tmp_path}/take [1].wav"]


def test_an_audio_file_names_itself(tmp_path: Path) -> None:
    source = str(tmp_path / "a.WAV")
    Path(source).touch()
    assert found(source) == [AudioFile(source, source)]


def test_a_file_without_a_known_suffix_is_told_by_its_content(tmp_path: Path) -> None:
    audio, manifest = str(tmp_path / "recording"), str(tmp_path / "manifest")
    Path(audio).write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00")
    Path(manifest).write_text('{"uri": "a.wav"}\n')
    assert found(audio) == [AudioFile(audio, audio)]
    assert found(manifest) == [ManifestFile(manifest)]


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "archive" / "sub").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.wav").touch()
    (tmp_path / "archive" / "sub" / "up").symlink_to(tmp_path / "archive")
    (tmp_path / "archive" / "linked").symlink_to(tmp_path / "other")
    assert uris(f"{tmp_path}/archive") == [f"{tmp_path}/archive/linked/a.wav"]


def test_a_folder_that_cannot_be_listed_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.wav").touch()
    scan = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    # Who runs the tests may be allowed to read everything, whatever the folder's mode.
    monkeypatch.setattr(os, "scandir", refuse)
    recording, failure = read_sources([str(tmp_path)], Stores())
    assert isinstance(recording, Recording)
    assert isinstance(failure, Failure)
    assert failure.message == (
        f"{tmp_path}/closed/: the folder cannot be listed: Permission denied"
    )
    with pytest.raises(ManifestError, match="Permission denied"):
        read_sources([f"{tmp_path}/closed"], Stores())


def test_a_directory_without_audio(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="names no recordings"):
        read_sources([str(tmp_path)], Stores())


def test_a_folder_of_hugging_face_is_what_its_metadata_say(tmp_path: Path) -> None:
    for folder in ("train", "train/clips", "test", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.wav").touch()
    (tmp_path / "train" / "metadata.csv").write_text("file_name,text\nclips/a.wav,x\n")
    (tmp_path / "test" / "metadata.jsonl").write_text('{"file_name": "a.wav", "id": "t"}\n')
    (tmp_path / "other" / "metadata.csv").write_text("LJ001-0001|not a header|at all\n")
    assert [
        (item.id, item.uri)
        for item in read_sources([str(tmp_path)], Stores())
        if isinstance(item, Recording)
    ] == [
        ("other/a.wav", f"{tmp_path}/other/a.wav"),
        ("t", f"{tmp_path}/test/a.wav"),
        ("train/clips/a.wav", f"{tmp_path}/train/clips/a.wav"),
    ]
    (item,) = read_sources([f"{tmp_path}/train"], Stores())
    assert item == Recording("clips/a.wav", f"{tmp_path}/train/clips/a.wav", reference="x")
