"""The flags that say how stores are reached."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.errors import ConfigurationError
from pipeline.storage import add_arguments, stores_of
from transforms.store import Stores


def stores(*flags: str, named: tuple[str, ...] = ("s3://b/m.jsonl", "out")) -> Stores:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return stores_of(parser.parse_args(flags), named)


def test_options_stand_under_their_protocols() -> None:
    assert stores("--storage_options", '{"s3": {"anon": true}, "gs": {}}').options == {
        "s3": {"anon": True},
        "gs": {},
    }


def test_options_alone_are_for_the_stores_on_the_command_line() -> None:
    named = ("s3://b/m.jsonl", "/here", "gs://b/out", "memory://x")
    given = stores("--storage-options", '{"anon": true}', named=named).options
    assert given == {"s3": {"anon": True}, "gs": {"anon": True}}
    schemes = ("--allow-scheme", "https")
    given = stores("--storage_options", '{"anon": true}', *schemes, named=("m.jsonl",)).options
    assert given == {"https": {"anon": True}}


def test_options_may_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "options.json"
    path.write_text('{"s3": {"anon": true}}')
    assert stores("--storage_options", f"@{path}").options == {"s3": {"anon": True}}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{'s3': {'secret': 'hunter2'}}", "not JSON"),
        ('["hunter2"]', "no JSON object"),
        ("{}", "no JSON object"),
        ("hunter2", "not JSON"),
        ('{"s3": {}, "secret": "hunter2"}', "'secret', which is none"),
        ("@absent.json", "cannot be read"),
    ],
)
def test_bad_options_are_refused_and_not_repeated(written: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        stores("--storage_options", written)
    assert "hunter2" not in str(caught.value)


def test_options_for_no_store_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="names no protocol"):
        stores("--storage_options", '{"anon": true}', named=("m.jsonl", "out"))


def test_what_may_be_reached() -> None:
    reach = stores("--allow-scheme", "s3, HTTPS", "--allow-host", "archive,10.0.0.5:80").reach
    assert (reach.schemes, reach.hosts) == ({"s3", "https"}, {"archive", "10.0.0.5:80"})
    named = ("http://10.0.0.5:8000/m.jsonl", "out")
    assert stores(named=named).reach.hosts == {"10.0.0.5:8000"}
    assert stores().reach.schemes is None


def test_patience() -> None:
    assert stores("--store-deadline", "7").patience.deadline_s == 7.0
    with pytest.raises(ConfigurationError, match="--store-deadline"):
        stores("--store-deadline", "0")


def test_bad_options_stop_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", "m", "--output", "o", "--storage_options", "{"]) == 2
    assert main(["evaluate", "o", "--storage_options", "{"]) == 2
    assert capsys.readouterr().err.count("is not JSON") == 2


def run(program: str, *missing: str) -> subprocess.CompletedProcess[str]:
    """A Python program that finds none of the `missing` packages."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({missing!r}))\n"
    return subprocess.run([sys.executable, "-c", hidden + program], capture_output=True, text=True)


def test_a_missing_package_is_named() -> None:
    uris = ("s3://b/a", "gs://b/a", "abfs://b/a", "https://h/a")
    done = run(
        f"from transforms.store import Stores\n"
        f"for uri in {uris}:\n"
        f"    try: Stores().locate(uri)\n"
        f"    except ImportError as error: print(error)\n",
        *("s3fs", "gcsfs", "adlfs", "aiohttp"),
    )
    told = [line.partition("pip install ")[2] for line in done.stdout.splitlines()]
    assert told == [f"'beamscribe[{extra}]'" for extra in ("s3", "gcs", "azure", "http")]


@pytest.mark.slow
def test_a_missing_package_stops_the_job(tmp_path: Path) -> None:
    arguments = ["transcribe", "tests/data/manifest.jsonl", "--output", "s3://bucket/out"]
    done = run(f"from pipeline.cli import main\nsys.exit(main({arguments}))", "s3fs")
    assert done.returncode == 2
    assert "pip install 'beamscribe[s3]'" in done.stderr
