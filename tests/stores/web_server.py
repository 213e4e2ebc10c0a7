"""HTTP servers over a folder: one that serves ranges, one that does not."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import BinaryIO


class Plain(SimpleHTTPRequestHandler):
    """Whole files only; `/to?URL` redirects, `/private/` is forbidden, `/unwell/` overloaded."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/to?"):
            self._empty(302, Location=self.path[4:])
        elif self.path.startswith("/private/"):
            self._empty(403)
        elif self.path.startswith("/unwell/"):
            self._empty(503)
        else:
            super().do_GET()

    def _empty(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Ranged(Plain):
    """Single ranges, as RFC 9110 has them."""

    def send_head(self) -> BinaryIO | None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            return super().send_head()
        size = path.stat().st_size
        first, last = int(asked[1]), min(int(asked[2] or size), size - 1)
        if first >= size:
            self._empty(416, **{"Content-Range": f"bytes */{size}"})
            return None
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
        self.end_headers()
        with path.open("rb") as file:
            file.seek(first)
            self.wfile.write(file.read(last + 1 - first))
        return None


class Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of these tests."""


@contextmanager
def serving(folder: Path, handler: type[Plain]) -> Iterator[int]:
    """The port of a server over `folder`."""
    server = Quiet(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
