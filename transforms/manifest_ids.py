"""Ids that were seen, in memory that does not grow with their number."""

from __future__ import annotations

import sqlite3
from types import TracebackType

CACHE_KIB = 32 << 10


class SeenIds:
    """Ids with the places that they stand at, in a temporary file that SQLite deletes."""

    def __init__(self) -> None:
        # The empty name is SQLite's own temporary file, which it writes when its cache is full.
        self._ids = sqlite3.connect("", isolation_level=None)
        for setting in (f"cache_size = -{CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
            self._ids.execute(f"PRAGMA {setting}")
        self._ids.execute("CREATE TABLE ids (id TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID")
        self._ids.execute("BEGIN")

    def __enter__(self) -> SeenIds:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ids.close()

    def add(self, identity: str, place: str) -> str | None:
        """The place at which `identity` was seen before, or None: then it is seen now."""
        added = self._ids.execute(
            "INSERT INTO ids VALUES (?, ?) ON CONFLICT DO NOTHING", (identity, place)
        )
        if added.rowcount:
            return None
        found = self._ids.execute("SELECT place FROM ids WHERE id = ?", (identity,)).fetchone()
        return str(found[0])
