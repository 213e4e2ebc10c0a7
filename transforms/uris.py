"""URIs: what a path in a manifest is relative to, where a glob begins."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass

_DOTS = re.compile(r"(?:^|/)\.{1,2}/")
_HTTP = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Folder:
    """What relative paths are relative to: they stand between `head` and `tail`.

    `tail` is empty but for a chained URL whose first link holds the path, such as
    `zip://calls/a.wav::s3://bucket/calls.zip`.
    """

    head: str
    tail: str = ""

    def join(self, written: str) -> str:
        """`written` as it stands where it is absolute or a URL, else within this folder.

        Object stores know no `..`, so it is resolved here; a disk resolves it by itself, and
        otherwise where there are links.
        """
        if "://" in written or os.path.isabs(written):
            return written
        joined = f"{self.head}/{written}"
        if "://" in joined and _DOTS.search(written):
            protocol, _, path = joined.partition("://")
            joined = f"{protocol}://{posixpath.normpath(path)}"
        return joined + self.tail

    def below(self, name: str) -> Folder:
        return Folder(f"{self.head}/{name}", self.tail)


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern below a fixed place; a match is `head + path below root + tail`."""

    root: str
    head: str
    pattern: str
    tail: str


def folder_of(uri: str) -> Folder:
    """The folder that a file lies in; the query of an HTTP URL is not part of it."""
    before, link, after = _split_chain(uri)
    head, slash, _ = without_query(link).rpartition("/")
    return Folder(before + (head if slash else "."), after)


def directory_at(uri: str) -> Folder:
    """The folder that a directory's URI names."""
    before, link, after = _split_chain(uri)
    return Folder(before + (link.rstrip("/") if not link.endswith("://") else link[:-1]), after)


def glob_of(uri: str) -> Glob | None:
    """The pattern that `uri` is, or None where it has no wildcard (`*`, `?`, `[`).

    In an HTTP URL a question mark begins the query.
    """
    before, link, after = _split_chain(uri)
    wild = re.search(r"[*\[]" if link.startswith(_HTTP) else r"[*?\[]", link)
    if wild is None:
        return None
    start = link.rfind("/", 0, wild.start()) + 1
    head = link[:start]
    root = head if head.endswith("://") else head.rstrip("/") or ("/" if head else ".")
    return Glob(before + root + after, before + head, link[start:], after)


def without_query(link: str) -> str:
    """An HTTP URL without query and fragment; anything else as it is."""
    return re.split(r"[?#]", link, maxsplit=1)[0] if link.startswith(_HTTP) else link


def _split_chain(uri: str) -> tuple[str, str, str]:
    """What comes before the link that holds the path, that link, and what comes after it."""
    links = uri.split("::")
    index = next((at for at, link in enumerate(links) if "://" in link), len(links) - 1)
    before = "".join(f"{link}::" for link in links[:index])
    after = "".join(f"::{link}" for link in links[index + 1 :])
    return before, links[index], after
