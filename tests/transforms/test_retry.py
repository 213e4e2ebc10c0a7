"""Which faults are worth another attempt."""

import errno
import http.client
import socket
import ssl
from collections.abc import Callable

import pytest

from transforms import tally
from transforms.errors import StoreError
from transforms.retry import Patience, is_transient, settled, status_of, steadily

SOON = Patience(attempt_s=1.0, deadline_s=0.5, first_wait_s=0.001, longest_wait_s=0.01)


class Answered(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"answered {status}")
        self.status = status


def failing(*errors: Exception) -> tuple[Callable[[], int], list[Exception]]:
    """A call that raises each of `errors`, then returns 7; and what it has left to raise."""
    left = list(errors)

    def call() -> int:
        if left:
            raise left.pop(0)
        return 7

    return call, left


@pytest.mark.parametrize(
    "error",
    [
        *(TimeoutError(), ConnectionResetError(), BrokenPipeError(), ConnectionRefusedError()),
        *(http.client.IncompleteRead(b""), OSError(errno.EBUSY, "slow down")),
        *(socket.gaierror(socket.EAI_AGAIN, "later"), OSError(errno.ENETUNREACH, "")),
        *(Answered(status) for status in (408, 429, 500, 502, 503, 504)),
    ],
    ids=repr,
)
def test_what_may_pass_is_transient(error: Exception) -> None:
    if isinstance(error, socket.gaierror):
        lost = ConnectionError("no address")
        lost.__cause__ = error
        error = lost
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        *(FileNotFoundError(), PermissionError(), IsADirectoryError(), OSError("odd")),
        *(Answered(status) for status in (400, 401, 403, 404, 410, 416, 501)),
        *(ssl.SSLCertVerificationError(), socket.gaierror(socket.EAI_NONAME, "no such name")),
        *(ValueError("a bug"), KeyError("a bug")),
    ],
    ids=repr,
)
def test_what_will_not_pass_is_not(error: Exception) -> None:
    assert not is_transient(error)


def test_the_status_behind_a_translated_error_decides() -> None:
    for status, transient in ((503, True), (400, False)):
        translated = OSError("translated")
        translated.__cause__ = Answered(status)
        assert (is_transient(translated), status_of(translated)) == (transient, status)


def test_a_call_is_repeated_until_it_succeeds() -> None:
    call, left = failing(TimeoutError(), Answered(503), ConnectionResetError())
    assert steadily(call, "a", SOON, str) == 7
    assert not left


def test_every_further_attempt_is_counted() -> None:
    tally.reset()
    call, _ = failing(TimeoutError(), Answered(503))
    steadily(call, "a.wav", SOON, str)
    assert tally.counts() == {"store_retries": 2}


def test_a_call_that_never_succeeds_is_given_up() -> None:
    call, left = failing(*[ConnectionResetError("hunter2")] * 10_000)
    with pytest.raises(StoreError, match=r"a\.wav: .* attempts in .* \*\*\*") as caught:
        steadily(call, "a.wav", SOON, lambda text: text.replace("hunter2", "***"))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert left


@pytest.mark.parametrize("error", [FileNotFoundError("a"), PermissionError("a"), ValueError("a")])
def test_what_will_not_pass_is_raised_at_once(error: Exception) -> None:
    call, left = failing(error, error)
    with pytest.raises(type(error)):
        steadily(call, "a", SOON, str)
    assert len(left) == 1


def test_errors_settle_into_those_of_the_system() -> None:
    assert isinstance(settled(Answered(404), "a", str), FileNotFoundError)
    assert isinstance(settled(Answered(403), "a", str), PermissionError)
    other = settled(Answered(400), "a.wav", str.upper)
    assert (type(other), str(other)) == (OSError, "a.wav: ANSWERED 400")


@pytest.mark.parametrize("field", ["attempt_s", "first_wait_s"])
def test_patience_has_an_amount(field: str) -> None:
    with pytest.raises(ValueError, match="some time"):
        Patience(**{field: 0.0})
