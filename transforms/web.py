"""HTTP as a store: what a server says is believed, and private addresses are left alone.

fsspec's own filesystem reports every fault of a request for a file's size as a missing file, reads
a whole file into memory where a server ignores ranges, and connects to any address.
"""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from fsspec.asyn import sync_wrapper
from fsspec.implementations.http import HTTPFileSystem

from transforms.errors import ForbiddenSourceError
from transforms.reach import Reach, is_public

CHUNK_BYTES = 256 * 1024


class WebFileSystem(HTTPFileSystem):
    """Files behind HTTP, read by ranges where the server has them.

    Errors are aiohttp's own, with the server's status, but `FileNotFoundError` for 404 and 410.
    """

    async def _info(self, url: str) -> dict[str, Any]:
        """Size, version and whether ranges are served, from a request for the first byte.

        A link that is signed for reading refuses the method HEAD, hence GET.
        """
        async with await self._request(url, "bytes=0-0") as response:
            length = response.headers.get("Content-Length", "")
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
            encoding = response.headers.get("Content-Encoding", "identity")
            if response.status in (206, 416):
                size = int(total) if total.isdecimal() else None
            else:
                size = int(length) if length.isdecimal() and encoding == "identity" else None
            if response.status == 416 and size != 0:
                response.raise_for_status()
            versions = ("ETag", "Last-Modified")
            return {
                "name": url,
                "type": "file",
                "size": size,
                "partial": size is not None and response.status == 206,
                **{name: response.headers[name] for name in versions if name in response.headers},
            }

    async def _cat_file(self, url: str, start: int | None = None, end: int | None = None) -> bytes:
        if start is None and end is None:
            async with await self._request(url, None) as response:
                return await response.read()
        limits = await self._process_limits(url, start, end)
        async with await self._request(url, limits) as response:
            if response.status != 206:
                raise OSError(f"{url}: the server served ranges and no longer does")
            return await response.read()

    async def _put_file(self, lpath: str, rpath: str) -> None:
        raise PermissionError(f"{rpath}: files behind HTTP can only be read")

    async def _exists(self, path: str) -> bool:
        try:
            await self._info(path)
        except FileNotFoundError:
            return False
        return True

    async def _isdir(self, path: str) -> bool:
        return path.endswith("/")

    async def _spool(self, url: str, file: IO[bytes], largest_bytes: int) -> bool:
        """Write the whole file to `file`; False where it is larger than allowed."""
        async with await self._request(url, None) as response:
            length = response.headers.get("Content-Length", "")
            if length.isdecimal() and int(length) > largest_bytes:
                return False
            written = 0
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                written += len(chunk)
                if written > largest_bytes:
                    return False
                file.write(chunk)
        return True

    spool = sync_wrapper(_spool)

    async def _request(self, url: str, limits: str | None) -> aiohttp.ClientResponse:
        options = dict(self.kwargs)
        headers = {**options.pop("headers", {}), "Accept-Encoding": "identity"}
        if limits is not None:
            headers["Range"] = limits
        session = await self.set_session()
        response: aiohttp.ClientResponse = await session.get(
            self.encode_url(url), headers=headers, **options
        )
        if response.status in (404, 410):
            response.close()
            raise FileNotFoundError(url)
        if response.status != 416:
            response.raise_for_status()
        return response


@dataclass(frozen=True, slots=True)
class GuardedClient:
    """Makes the session of a `WebFileSystem`: bounded in time, and in what it connects to."""

    reach: Reach
    attempt_s: float

    async def __call__(
        self, loop: asyncio.AbstractEventLoop, **client_kwargs: Any
    ) -> aiohttp.ClientSession:
        """A session with the user's `client_kwargs`, which are fsspec's name for its arguments."""
        trusted = self.reach
        if client_kwargs.get("trust_env"):
            proxies = {urlsplit(url).hostname for url in urllib.request.getproxies().values()}
            trusted = Reach(hosts=trusted.hosts | {host for host in proxies if host})
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self.attempt_s, sock_read=self.attempt_s
        )

        async def guard(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            host = request.url.host or ""
            if not trusted.trusts(host, request.url.port) and _is_private_literal(host):
                raise _refusal(host, host)
            return await handler(request)

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=_GuardedResolver(trusted)),
            middlewares=(guard,),
            **{"timeout": timeout, **client_kwargs},
        )


class _GuardedResolver(AbstractResolver):
    """Names into addresses, of which private ones are refused."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not self._reach.trusts(host, port):
            for result in found:
                if not is_public(result["host"]):
                    raise _refusal(host, result["host"])
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _is_private_literal(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return False


def _refusal(host: str, address: str) -> ForbiddenSourceError:
    return ForbiddenSourceError(
        f"{host} is at the private address {address}, and this job was not pointed there; if you "
        f"trust what names it, pass --allow-host {host}"
    )
