"""Credentials stay out of texts."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.redact import RedactingFormatter, redacted, secrets_in


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("https://me:pw@host/a?x=1", "https://***@host/a?x=1"),
        ("http://token@host/a", "http://***@host/a"),
        ("s3://key:secret@bucket/a", "s3://***@bucket/a"),
        ("abfs://box@account.dfs.core.windows.net/a", "abfs://box@account.dfs.core.windows.net/a"),
        (
            "https://h/a?X-Amz-Credential=A%2FB&X-Amz-Date=1&X-Amz-Signature=f00&id=3",
            "https://h/a?X-Amz-Credential=***&X-Amz-Date=1&X-Amz-Signature=***&id=3",
        ),
        ("https://h/a?X-Goog-Signature=f00#t=1", "https://h/a?X-Goog-Signature=***#t=1"),
        ("(https://h/a?sv=1&sig=a%3D) gone", "(https://h/a?sv=1&sig=***) gone"),
        ("{'url': 'https://h/a?token=t0k'}", "{'url': 'https://h/a?token=***'}"),
        ("https://h/a?Policy=p&Key-Pair-Id=K", "https://h/a?Policy=***&Key-Pair-Id=***"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("design=big&signal=3, a token of love", "design=big&signal=3, a token of love"),
        ("https://h/a.wav?part=2&assign=x", "https://h/a.wav?part=2&assign=x"),
        ("mail me@host.org about http://h/x@y", "mail me@host.org about http://h/x@y"),
    ],
)
def test_logins_and_signatures_are_hidden(written: str, shown: str) -> None:
    assert redacted(written) == shown


SECRET = st.text("abcXYZ0189%-_.~+/", min_size=6, max_size=40)


@given(SECRET, SECRET, SECRET, st.booleans())
def test_no_secret_survives(user: str, password: str, signature: str, twice: bool) -> None:
    user, password = user.replace("/", "s"), password.replace("/", "s")
    uri = f"https://u_{user}:p_{password}@h/a?X-Amz-Signature=q_{signature}&n=1"
    shown = redacted(redacted(uri)) if twice else redacted(uri)
    assert shown == "https://***@h/a?X-Amz-Signature=***&n=1"


def test_known_secrets_are_hidden_wherever_they_stand() -> None:
    options = {
        "s3": {"key": "AKIAEXAMPLE", "secret": "hunter2hunter2", "endpoint_url": "http://h"},
        "abfs": {"account_name": "archive", "nested": [{"sas_token": "sas-sas"}]},
    }
    secrets = secrets_in(options)
    assert set(secrets) == {"AKIAEXAMPLE", "hunter2hunter2", "sas-sas"}
    assert redacted("hunter2hunter2 at archive", secrets) == "*** at archive"


def test_log_lines_are_redacted_traces_included() -> None:
    try:
        raise OSError("no https://me:hunter2@h/a")
    except OSError as error:
        trace = (type(error), error, error.__traceback__)
        record = logging.LogRecord("x", 40, "f", 1, "at %s", ("http://me:hunter2@h",), trace)
    assert "hunter2" not in RedactingFormatter("%(message)s").format(record)
