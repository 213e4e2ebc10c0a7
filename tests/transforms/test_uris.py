"""What a path in a manifest is relative to, wherever the manifest lies."""

from __future__ import annotations

import pytest

from transforms.uris import Glob, directory_at, folder_of, glob_of


@pytest.mark.parametrize(
    ("manifest", "written", "uri"),
    [
        ("m.jsonl", "a.wav", "./a.wav"),
        ("sub/m.jsonl", "a.wav", "sub/a.wav"),
        ("/data/m.jsonl", "a.wav", "/data/a.wav"),
        ("/m.jsonl", "a.wav", "/a.wav"),
        ("-", "a.wav", "./a.wav"),
        ("/data/m.jsonl", "../a.wav", "/data/../a.wav"),
        ("/data/m.jsonl", "/else/a.wav", "/else/a.wav"),
        ("/data/m.jsonl", "s3://bucket/a.wav", "s3://bucket/a.wav"),
        ("file:///data/m.jsonl", "a.wav", "file:///data/a.wav"),
        ("s3://bucket/m.jsonl", "sub/a.wav", "s3://bucket/sub/a.wav"),
        ("s3://bucket/sub/m.jsonl", "../a.wav", "s3://bucket/a.wav"),
        ("s3://bucket/sub/m.jsonl", "./a.wav", "s3://bucket/sub/a.wav"),
        ("s3://bucket/sub/m.jsonl", "a..b/c.wav", "s3://bucket/sub/a..b/c.wav"),
        ("memory://m.jsonl", "a.wav", "memory://a.wav"),
        ("memory:///sub/m.jsonl", "a.wav", "memory:///sub/a.wav"),
        ("https://host/sub/m.jsonl", "a.wav", "https://host/sub/a.wav"),
        ("https://host/sub/m.jsonl?key=a/b#c", "../a.wav", "https://host/a.wav"),
        ("zip://m.jsonl::s3://bucket/a.zip", "a.wav", "zip://a.wav::s3://bucket/a.zip"),
        ("zip://sub/m.csv::file:///a.zip", "../a.wav", "zip://a.wav::file:///a.zip"),
        ("simplecache::s3://bucket/m.csv", "a.wav", "simplecache::s3://bucket/a.wav"),
        ("simplecache::zip://m.csv::/a.zip", "a.wav", "simplecache::zip://a.wav::/a.zip"),
    ],
)
def test_paths_are_relative_to_the_manifest(manifest: str, written: str, uri: str) -> None:
    assert folder_of(manifest).join(written) == uri


@pytest.mark.parametrize(
    ("directory", "uri"),
    [
        ("data", "data/a.wav"),
        ("data/", "data/a.wav"),
        ("/", "/a.wav"),
        (".", "./a.wav"),
        ("s3://bucket/", "s3://bucket/a.wav"),
        ("memory://", "memory://a.wav"),
        ("zip://::/a.zip", "zip://a.wav::/a.zip"),
        ("zip://sub/::/a.zip", "zip://sub/a.wav::/a.zip"),
    ],
)
def test_what_lies_in_a_directory(directory: str, uri: str) -> None:
    assert directory_at(directory).join("a.wav") == uri


@pytest.mark.parametrize(
    ("uri", "glob"),
    [
        ("*.wav", Glob(".", "", "*.wav", "")),
        ("/*.wav", Glob("/", "/", "*.wav", "")),
        ("data/2*/a?.wav", Glob("data", "data/", "2*/a?.wav", "")),
        ("s3://bucket/x/**/*.flac", Glob("s3://bucket/x", "s3://bucket/x/", "**/*.flac", "")),
        ("memory://*.wav", Glob("memory://", "memory://", "*.wav", "")),
        ("https://host/a?b=[1]", Glob("https://host", "https://host/", "a?b=[1]", "")),
        ("zip://*.wav::/a.zip", Glob("zip://::/a.zip", "zip://", "*.wav", "::/a.zip")),
        (
            "simplecache::s3://b/[ab].wav",
            Glob("simplecache::s3://b", "simplecache::s3://b/", "[ab].wav", ""),
        ),
    ],
)
def test_where_a_glob_begins(uri: str, glob: Glob) -> None:
    assert glob_of(uri) == glob


@pytest.mark.parametrize("uri", ["data/a.wav", "https://host/a.wav?key=x", "s3://bucket/"])
def test_what_is_no_glob(uri: str) -> None:
    assert glob_of(uri) is None
