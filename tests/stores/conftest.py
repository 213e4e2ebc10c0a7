"""Real stores on loopback, each behind a proxy that counts and breaks."""

import json
import logging
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import fsspec
import pytest

from tests.stores.proxy import Proxy
from tests.stores.web_server import Plain, Quiet, Ranged, serving
from transforms.reach import Reach, hosts_of
from transforms.retry import Patience
from transforms.store import Stores

ROOT = Path(__file__).parents[2]
AZURITE = ROOT / "build" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
# The account and key that Azurite documents for everyone.
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
S3_SECRET = "planted-s3-secret-58113"
IMPATIENT = Patience(attempt_s=3.0, deadline_s=8.0, first_wait_s=0.02, longest_wait_s=0.2)


@dataclass(frozen=True)
class Shelf:
    """A place in a running store. Files are put there past the proxy."""

    base: str
    proxy: Proxy | None
    direct: fsspec.AbstractFileSystem
    folder: str
    options: dict[str, Any] = field(default_factory=dict)
    writable: bool = True
    ranged: bool = True

    @property
    def stores(self) -> Stores:
        return Stores(self.options, Reach(hosts=hosts_of([self.base])), IMPATIENT)

    @property
    def flags(self) -> list[str]:
        return ["--storage_options", json.dumps(self.options)] if self.options else []

    def put(self, path: Path, name: str) -> str:
        target = f"{self.folder}/{name}"
        self.direct.makedirs(self.direct._parent(target), exist_ok=True)
        self.direct.put_file(str(path), target)
        return f"{self.base}/{name}"


@pytest.fixture(scope="session", params=["s3", "gs", "abfs", "http", "http-whole", "memory"])
def shelf(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shelf]:
    """One store after the other."""
    match request.param:
        case "s3":
            running = s3()
        case "gs":
            running = gs()
        case "abfs":
            running = abfs()
        case "memory":
            running = memory()
        case "http":
            running = web(tmp_path_factory.mktemp("web"), Ranged)
        case _:
            running = web(tmp_path_factory.mktemp("web"), Plain)
    with running as started:
        yield started


@contextmanager
def s3() -> Iterator[Shelf]:
    """Amazon's protocol, as moto speaks it. Credentials are options."""
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    login = {"key": "AKIAIOSFODNN7EXAMPLE", "secret": S3_SECRET}
    direct = s3fs.S3FileSystem(**login, endpoint_url=f"http://{host}:{port}")
    with suppress(FileExistsError):
        direct.mkdir("archive")
    proxy = Proxy((host, port))
    options = {"s3": {**login, "endpoint_url": f"http://127.0.0.1:{proxy.port}"}}
    try:
        yield Shelf("s3://archive", proxy, direct, "archive", options)
    finally:
        proxy.close()
        running.stop()


@contextmanager
def gs() -> Iterator[Shelf]:
    """Google's protocol, as gcp-storage-emulator speaks it. The place is in the environment."""
    emulator = pytest.importorskip(
        "gcp_storage_emulator.server", reason="gcp-storage-emulator is not installed"
    )
    core = pytest.importorskip("gcsfs.core", reason="gcsfs is not installed")
    # Its own server takes one connection at a time.
    handler = partial(emulator.RequestHandler, emulator.Storage(use_memory_fs=True))
    running = Quiet(("127.0.0.1", 0), handler)
    Thread(target=running.serve_forever, daemon=True).start()
    port = running.server_address[1]
    options = {"token": "anon", "project": "test"}
    direct = core.GCSFileSystem(**options, endpoint_url=f"http://127.0.0.1:{port}")
    direct.mkdir("archive")
    proxy = Proxy(("127.0.0.1", port))
    try:
        with environment(STORAGE_EMULATOR_HOST=f"http://127.0.0.1:{proxy.port}"):
            yield Shelf("gs://archive", proxy, direct, "archive", {"gs": options})
    finally:
        proxy.close()
        running.shutdown()
        running.server_close()


@contextmanager
def abfs() -> Iterator[Shelf]:
    """Azure's protocol, as Azurite speaks it. All is in the environment."""
    adlfs = pytest.importorskip("adlfs", reason="adlfs is not installed")
    program = str(AZURITE) if AZURITE.exists() else shutil.which("azurite-blob")
    if program is None or shutil.which("node") is None:
        pytest.skip("Azurite is not installed; `make build/azurite` needs npm")
    port = free_port()
    running = subprocess.Popen(
        [
            *(program, "--blobHost", "127.0.0.1", "--blobPort", str(port)),
            *("--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"),
        ],
        stdout=subprocess.DEVNULL,
    )
    proxy = Proxy(("127.0.0.1", port))
    try:
        wait_for(port)
        direct = adlfs.AzureBlobFileSystem(connection_string=azurite_connection(port))
        direct.mkdir("archive")
        with environment(AZURE_STORAGE_CONNECTION_STRING=azurite_connection(proxy.port)):
            yield Shelf("abfs://archive", proxy, direct, "archive")
    finally:
        proxy.close()
        running.terminate()
        running.wait()


@contextmanager
def web(folder: Path, handler: type[Plain]) -> Iterator[Shelf]:
    with serving(folder, handler) as port:
        proxy = Proxy(("127.0.0.1", port))
        try:
            yield Shelf(
                f"http://127.0.0.1:{proxy.port}",
                proxy,
                fsspec.filesystem("file"),
                str(folder),
                writable=False,
                ranged=handler is Ranged,
            )
        finally:
            proxy.close()


@contextmanager
def memory() -> Iterator[Shelf]:
    yield Shelf("memory://archive", None, fsspec.filesystem("memory"), "/archive")


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def azurite_connection(port: int) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={AZURITE_ACCOUNT};AccountKey={AZURITE_KEY};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{AZURITE_ACCOUNT};"
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("Azurite did not start in 20 s")
