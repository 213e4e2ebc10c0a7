"""Work that may hang or crash, in a process of its own.

Audio comes from others, and what reads it is native code: a file that makes a decoder loop for ever
or write where it must not is to cost one recording, not the job.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from transforms import tally
from transforms.errors import CrashError, DeadlineError, RecordingError

Request = TypeVar("Request")
Answer = TypeVar("Answer")

READY, ANSWER, NOTED, REFUSAL = "ready", "answer", "noted", "refusal"
FAULT, END = "fault", "end"

ENDING = (signal.SIGINT, signal.SIGTERM)

START_S = 600.0
"""What a child may take to start. It imports much, on a machine that may have other work."""


class Isolated(Generic[Request, Answer]):
    """A generator function that runs in a child process, one request after another.

    The child starts with the first request and is replaced when it died or was given up. `function`
    and what it is given and yields must be picklable; it serves one thread at a time.
    """

    def __init__(self, function: Callable[[Request], Iterator[Answer]]) -> None:
        self._function = function
        self._child: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._is_ready = False

    def __call__(self, request: Request, deadline_s: float) -> Iterator[Answer]:
        """What `function(request)` yields, as it yields it; `deadline_s` bounds each wait for it.

        The start of the child is not counted in.
        Raises the `RecordingError` that it raises, `CrashError` where the process dies,
        `DeadlineError` where no answer comes in time, and `RuntimeError` with the trace of any
        other exception. A caller that stops early ends the child.
        """
        finished = False
        try:
            pipe = self._open()
            pipe.send(request)
            if not self._is_ready:
                if not pipe.poll(START_S):
                    raise CrashError(f"the process to read it did not start within {START_S:g} s")
                pipe.recv()
                self._is_ready = True
            while True:
                if not pipe.poll(deadline_s):
                    raise DeadlineError(f"nothing came of it within {deadline_s:g} s")
                kind, content = pipe.recv()
                if kind == ANSWER:
                    yield content
                    continue
                if kind == NOTED:
                    _repeat(*content)
                    continue
                finished = True
                if kind == REFUSAL:
                    raise content
                if kind == FAULT:
                    raise RuntimeError(f"in a process of its own:\n{content}")
                return
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise CrashError(f"the process that read it died ({self._cause()})") from error
        finally:
            if not finished:
                self.close()

    def start(self) -> None:
        """Start the child before there is work for it."""
        self._open()

    def close(self) -> None:
        """End the child, whatever it does."""
        if self._pipe is not None:
            self._pipe.close()
        if self._child is not None:
            self._child.kill()
            self._child.join()
        self._child = self._pipe = None
        self._is_ready = False

    def _open(self) -> Connection:
        if self._child is None or self._pipe is None or not self._child.is_alive():
            self.close()
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._child = context.Process(target=_serve, args=(self._function, theirs), daemon=True)
            # Ended in the middle of this, we would leave a child that complains of it.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
            try:
                self._child.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        return self._pipe

    def _cause(self) -> str:
        if self._child is None:
            return "it had been ended"
        self._child.join(5.0)
        code = self._child.exitcode
        if code is not None and code < 0:
            return signal.Signals(-code).name
        return f"exit code {code}"


def _repeat(counts: Mapping[str, int], records: Iterable[logging.LogRecord]) -> None:
    """Count and log here what was counted and logged in a child."""
    for name, amount in counts.items():
        tally.count(name, amount)
    for record in records:
        logger = logging.getLogger(record.name)
        if logger.isEnabledFor(record.levelno):
            logger.handle(record)


def _serve(function: Callable[[Any], Iterator[Any]], pipe: Connection) -> None:
    # A terminal sends its interrupt to all; the parent decides what becomes of its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # What is logged is shown as the parent shows it, or not.
    notes: SimpleQueue[logging.LogRecord] = SimpleQueue()
    root = logging.getLogger()
    root.addHandler(QueueHandler(notes))
    root.setLevel(logging.INFO)
    with contextlib.suppress(EOFError, BrokenPipeError):
        pipe.send((READY, None))
        while True:
            request = pipe.recv()
            try:
                try:
                    for answer in function(request):
                        pipe.send((ANSWER, answer))
                finally:
                    records = [notes.get() for _ in range(notes.qsize())]
                    pipe.send((NOTED, (tally.drain(), records)))
            except RecordingError as error:
                pipe.send((REFUSAL, error))
            except (EOFError, BrokenPipeError):
                return
            # Whatever it is, a mistake of ours is the parent's to raise.
            except BaseException:
                pipe.send((FAULT, traceback.format_exc()))
            else:
                pipe.send((END, None))


def _end_with_parent() -> None:
    """A parent that is killed takes its child along, even out of a loop in native code."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
