"""Patience with stores: which faults are worth another attempt, and for how long."""

from __future__ import annotations

import errno
import http.client
import logging
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_before_delay,
    wait_exponential_jitter,
)

from transforms import tally
from transforms.errors import StoreError

T = TypeVar("T")
Conceal = Callable[[str], str]
"""Takes the secrets out of a text."""

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 509})
# The clients' errors that are no OSError. A client that was never loaded has raised nothing.
_LOST = {
    "aiohttp": ("ClientConnectionError", "ClientPayloadError"),
    "botocore.exceptions": ("HTTPClientError", "IncompleteReadError"),
    "azure.core.exceptions": ("ServiceRequestError", "ServiceResponseError"),
    "requests.exceptions": ("ConnectionError", "Timeout", "ChunkedEncodingError"),
    "google.auth.exceptions": ("TransportError",),
}
_ALL = {
    "aiohttp": ("ClientError",),
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "azure.core.exceptions": ("AzureError",),
    "requests.exceptions": ("RequestException",),
    "google.auth.exceptions": ("GoogleAuthError",),
    "gcsfs.retry": ("HttpError",),
}
_CODED = {"gcsfs.retry": ("HttpError",)}
_LOST_ERRNOS = (errno.EBUSY, errno.ENETUNREACH, errno.EHOSTUNREACH)
_FINAL = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a store is waited for, in seconds.

    One attempt may take `attempt_s` (an upload more, by its size); no attempt is begun later than
    `deadline_s` after the first. Waits between attempts double from `first_wait_s` to
    `longest_wait_s`, with jitter.
    """

    attempt_s: float = 30.0
    deadline_s: float = 120.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 15.0

    def __post_init__(self) -> None:
        if self.attempt_s <= 0 or not 0 < self.first_wait_s <= self.longest_wait_s:
            raise ValueError("a store must be given some time")


def steadily(call: Callable[[], T], what: str, patience: Patience, conceal: Conceal) -> T:
    """What `call` returns, after as many attempts as it takes.

    Raises `StoreError` where the store did not recover in time, and `FileNotFoundError`,
    `PermissionError` or another `OSError` for what no further attempt would change.
    """

    def note(state: RetryCallState) -> None:
        tally.retried()
        error = None if state.outcome is None else state.outcome.exception()
        _log.warning("%s: attempt %d: %s", what, state.attempt_number, conceal(described(error)))

    retrying = Retrying(
        stop=stop_before_delay(patience.deadline_s),
        wait=wait_exponential_jitter(
            multiplier=patience.first_wait_s,
            max=patience.longest_wait_s,
            jitter=patience.first_wait_s,
        ),
        retry=retry_if_exception(is_transient),
        before_sleep=note,
        reraise=True,
    )
    try:
        return retrying(call)
    except client_faults() as error:
        if is_transient(error):
            raise StoreError(
                f"{what}: the store did not recover; {_attempts(retrying)}, the last: "
                f"{conceal(described(error))}"
            ) from None
        raise settled(error, what, conceal) from None


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    lost: tuple[type[Exception], ...] = (
        *(TimeoutError, ConnectionError, http.client.HTTPException),
        *_loaded(_LOST),
    )
    causes = tuple(_chain(error))
    if isinstance(error, _FINAL) or any(_is_permanent(cause) for cause in causes):
        return False
    for cause in causes:
        status = _status(cause)
        if status is not None:
            return status in RETRIED_STATUSES
        if isinstance(cause, lost) or getattr(cause, "errno", None) in _LOST_ERRNOS:
            return True
    return False


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error of any client carries, or the nearest of its causes."""
    return next((status for cause in _chain(error) if (status := _status(cause)) is not None), None)


def settled(error: BaseException, what: str, conceal: Conceal) -> OSError:
    """The `OSError` that says the same as a client's error, without its secrets."""
    status = status_of(error)
    said = conceal(described(error))
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return FileNotFoundError(errno.ENOENT, "does not exist", what)
    if isinstance(error, PermissionError) or status in (401, 403):
        return PermissionError(f"{what}: the store denies access: {said}")
    if type(error).__name__ in ("NoCredentialsError", "DefaultCredentialsError"):
        return PermissionError(
            f"{what}: no credentials: {said}; set the store's usual environment variables, or "
            "--storage_options"
        )
    if isinstance(error, OSError) and isinstance(error, _FINAL):
        return type(error)(f"{what}: {said}")
    return OSError(f"{what}: {said}")


def described(error: BaseException | None) -> str:
    """An error's text on one line, or the name of its class where it has none."""
    text = "" if error is None else " ".join(str(error).split())
    if isinstance(error, TimeoutError) and not text:
        return "no answer in time"
    return text or type(error).__name__


def client_faults() -> tuple[type[Exception], ...]:
    """What the loaded stores' clients raise, besides bugs."""
    return (OSError, EOFError, http.client.HTTPException, *_loaded(_ALL))


def _is_permanent(error: BaseException) -> bool:
    no_such_name = isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
    return no_such_name or isinstance(error, ssl.SSLCertVerificationError)


def _status(error: BaseException) -> int | None:
    # An HTTP parser's complaint about what came also has a code, which no server sent.
    names = ("status", "status_code") + (("code",) if isinstance(error, _loaded(_CODED)) else ())
    values = [getattr(error, name, None) for name in names]
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        values.append(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    numbers = [int(str(value)) for value in values if str(value).isdecimal()]
    return next((number for number in numbers if 400 <= number < 600), None)


def _attempts(retrying: Retrying) -> str:
    statistics = retrying.statistics
    tried = int(statistics.get("attempt_number", 1))
    passed_s = float(statistics.get("delay_since_first_attempt", 0.0))
    return f"{tried} attempt{'s' if tried > 1 else ''} in {passed_s:.1f} s"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _loaded(names: Mapping[str, tuple[str, ...]]) -> tuple[type[Exception], ...]:
    return tuple(
        getattr(sys.modules[module], name)
        for module, classes in names.items()
        if module in sys.modules
        for name in classes
        if hasattr(sys.modules[module], name)
    )
