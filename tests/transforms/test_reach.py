"""What a manifest may reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import ForbiddenSourceError
from transforms.reach import Reach, hosts_of, is_public, permitted, schemes_of, screened
from transforms.records import Failure, Recording

LOCAL, REMOTE, WEB = "/data/m.jsonl", "s3://bucket/m.jsonl", "https://example.org/m.jsonl"


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("/elsewhere/a.wav", LOCAL),
        ("/data/../etc/a.wav", LOCAL),
        ("file:///data/a.wav", LOCAL),
        ("s3://bucket/a.wav", LOCAL),
        ("gs://bucket/a.wav", LOCAL),
        ("abfs://box@account.dfs.core.windows.net/a.wav", LOCAL),
        ("https://example.org/a::b.wav", LOCAL),
        ("/data/a::b.wav", LOCAL),
        ("memory://a.wav", LOCAL),
        ("s3://other/a.wav", REMOTE),
        ("s3a://other/a.wav", REMOTE),
        ("http://example.org/a.wav", WEB),
        ("zip://a.wav::s3://b/c.zip", "zip://a.wav::s3://b/c.zip"),
        ("zip://a.wav::s3://b/c.zip", "zip://m.jsonl::s3://b/c.zip"),
        ("sftp://host/a.wav", "sftp://host/a.wav"),
    ],
)
def test_by_default_a_manifest_reaches_its_own_kind(uri: str, source: str) -> None:
    permitted(uri, source, Reach())


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("/etc/shadow", REMOTE),
        ("file:///etc/shadow", REMOTE),
        ("local:///etc/shadow", WEB),
        ("/etc/shadow", "zip://m.jsonl::s3://b/c.zip"),
        ("https://example.org/a.wav", REMOTE),
        ("gs://bucket/a.wav", REMOTE),
        ("memory://a.wav", WEB),
        ("sftp://host/a.wav", LOCAL),
        ("ftp://host/a.wav", LOCAL),
        ("smb://host/a.wav", LOCAL),
        ("github://a:b@main/a.wav", LOCAL),
        ("reference://x", LOCAL),
        ("jupyter://x", LOCAL),
        ("data:audio/wav;base64,AAAA", LOCAL),
        ("simplecache::s3://bucket/a.wav", LOCAL),
        ("simplecache::s3://bucket/a.wav", REMOTE),
        ("filecache::file:///etc/shadow", REMOTE),
        ("zip://a.wav::/data/a.zip", LOCAL),
        ("zip://a.wav::/data/a.zip", REMOTE),
        ("unheard://a", LOCAL),
    ],
)
def test_by_default_a_manifest_reaches_nothing_else(uri: str, source: str) -> None:
    with pytest.raises(ForbiddenSourceError, match="--allow-scheme"):
        permitted(uri, source, Reach())


def test_named_schemes_replace_the_default() -> None:
    reach = Reach(schemes=frozenset({"s3", "zip"}))
    permitted("s3a://bucket/a.wav", WEB, reach)
    permitted("zip://a.wav::s3://b/c.zip", LOCAL, reach)
    for uri in ("/data/a.wav", "https://example.org/a.wav", "zip://a.wav::/data/c.zip"):
        with pytest.raises(ForbiddenSourceError, match="s3, s3a, zip"):
            permitted(uri, LOCAL, reach)


def test_what_the_user_names_is_not_asked_about() -> None:
    permitted("/data/a.wav", "/data/a.wav", Reach(schemes=frozenset({"s3"})))


def test_items_of_a_manifest_are_screened() -> None:
    signed = "https://h/a.wav?sig=hunter2"
    kept = screened(Recording(signed, signed), LOCAL, Reach())
    assert kept == Recording("https://h/a.wav?sig=***", signed)
    refused = screened(Recording("1", "/etc/shadow"), REMOTE, Reach())
    assert isinstance(refused, Failure)
    assert (refused.recording.id, refused.error_type) == ("1", "ForbiddenSourceError")
    broken = Failure(Recording(f"{signed}:3", ""), None, "manifest", "E", "m")
    named = screened(broken, LOCAL, Reach())
    assert isinstance(named, Failure)
    assert named.recording.id == "https://h/a.wav?sig=***"


def test_a_refusal_shows_no_credentials() -> None:
    with pytest.raises(ForbiddenSourceError) as caught:
        permitted("https://me:hunter2@h/a?sig=hunter3", "s3://b/m.jsonl", Reach())
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1"),
        *("::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "ff02::1"),
    ],
)
def test_addresses_that_are_not_the_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2600::1", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


def test_schemes_and_hosts() -> None:
    assert schemes_of("a.wav") == ("file",)
    assert schemes_of("zip://a::simplecache::s3://b/c") == ("zip", "simplecache", "s3")
    named = [
        "https://Example.org/a",
        "http://[::1]:8080/b",
        "s3://bucket",
        "c",
        "zip://a::http://h",
    ]
    assert hosts_of(named) == {"example.org:443", "::1:8080", "h:80"}
    reach = Reach(hosts=frozenset({"archive", "other:8080"}))
    assert [reach.trusts("ARCHIVE", 1), reach.trusts("other", 8080)] == [True, True]
    assert [reach.trusts("other", 80), reach.trusts("archive.evil", 1)] == [False, False]


@given(st.text(max_size=60), st.sampled_from([REMOTE, WEB]))
def test_no_text_opens_this_machine_to_a_remote_manifest(uri: str, source: str) -> None:
    try:
        permitted(uri, source, Reach())
    except ForbiddenSourceError:
        return
    assert set(schemes_of(uri)) <= {"s3", "s3a", "http", "https"}
