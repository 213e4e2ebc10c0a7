"""A progress bar on stderr while a job runs in this process; none where stderr is no terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from transforms import tally

REFRESH_S = 0.2


@contextmanager
def progress_bar() -> Iterator[None]:
    """Show recordings, audio hours and RTFx (audio seconds a second) until the block ends."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    done = threading.Event()
    painter = threading.Thread(target=_paint, args=(console, done), daemon=True)
    painter.start()
    try:
        yield
    finally:
        done.set()
        painter.join()


def describe(now: tally.Tally, elapsed_s: float) -> str:
    """`12/40 recordings  0.3/1.1 h  92x`."""
    return (
        f"{now.tracks_done}/{now.tracks_planned} recordings  "
        f"{now.audio_done_s / 3600:.2f}/{now.audio_planned_s / 3600:.2f} h  "
        f"{now.audio_done_s / max(elapsed_s, 1e-9):.0f}x"
    )


def _paint(console: Console, done: threading.Event) -> None:
    started = time.monotonic()
    columns = (
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("planning", total=None)
        while not done.wait(REFRESH_S):
            now = tally.current()
            if now.audio_planned_s:
                bar.update(
                    task,
                    total=now.audio_planned_s,
                    completed=min(now.audio_done_s, now.audio_planned_s),
                    description=describe(now, time.monotonic() - started),
                )
