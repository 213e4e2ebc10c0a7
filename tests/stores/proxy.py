"""A proxy in front of a real store that counts what it serves, and breaks it on request."""

import contextlib
import re
import socket
import struct
import threading
from collections import deque

METHODS = (b"GET ", b"HEAD ", b"PUT ", b"POST ", b"DELETE ")
UNAVAILABLE = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nRetry-After: 0\r\nConnection: close\r\n\r\n"
)


class Proxy:
    """Forwards TCP to `target`. The next requests meet `faults`, one each, where there are some.

    A fault is `503`, `reset`, `stall`, `half` (a body shorter than its Content-Length) or `fine`.
    `served_bytes` counts everything that came from the store, heads included.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.faults: deque[str] = deque()
        self.served_bytes = 0
        self.requests: list[str] = []
        self.stall_s = 5.0
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def reset_counts(self) -> None:
        with self._lock:
            self.served_bytes = 0
            self.requests = []

    def close(self) -> None:
        self._closing.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self.target) as store:
            threading.Thread(target=self._answer, args=(store, client), daemon=True).start()
            while data := client.recv(65536):
                if data.startswith(METHODS):
                    fault = self._next_fault(data.partition(b"\r\n")[0].decode())
                    if fault != "fine":
                        self._break(fault, data, client)
                        return
                store.sendall(data)

    def _next_fault(self, request: str) -> str:
        with self._lock:
            self.requests.append(request)
            return self.faults.popleft() if self.faults else "fine"

    def _break(self, fault: str, request: bytes, client: socket.socket) -> None:
        match fault:
            case "503":
                client.sendall(UNAVAILABLE)
            case "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case "stall":
                self._closing.wait(self.stall_s)
            case "half":
                with socket.create_connection(self.target) as store:
                    store.sendall(request)
                    answer = b""
                    while b"\r\n\r\n" not in answer:
                        answer += store.recv(65536)
                    head, _, body = answer.partition(b"\r\n\r\n")
                    length = re.search(rb"(?i)content-length: *(\d+)", head)
                    half = int(length[1]) // 2 if length else 0
                    while len(body) < half:
                        body += store.recv(65536)
                    client.sendall(head + b"\r\n\r\n" + body[:half])
            case _:
                raise ValueError(fault)

    def _answer(self, store: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := store.recv(65536):
                with self._lock:
                    self.served_bytes += len(data)
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
