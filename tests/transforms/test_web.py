"""HTTP: addresses, redirects and what servers say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.web_server import Plain, Ranged, serving
from transforms.errors import ForbiddenSourceError
from transforms.reach import Reach
from transforms.retry import Patience
from transforms.store import Stores

SOON = Patience(attempt_s=3.0, deadline_s=1.0, first_wait_s=0.01, longest_wait_s=0.1)


def stores(*hosts: str) -> Stores:
    return Stores(reach=Reach(hosts=frozenset(hosts)), patience=SOON)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Two servers over the same file `a.txt`."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "a.txt").write_text("content")
    with serving(folder, Ranged) as one, serving(folder, Plain) as other:
        yield one, other


def test_private_addresses_are_refused_by_number_and_by_name(ports: tuple[int, int]) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"):
        with pytest.raises(ForbiddenSourceError, match="--allow-host"):
            stores().stat(f"http://{host}:{ports[0]}/a.txt")


def test_short_forms_of_addresses_are_no_way_around(ports: tuple[int, int]) -> None:
    for host in ("2130706433", "127.1", "0x7f000001", "0"):
        with pytest.raises((OSError, ValueError)):
            stores().stat(f"http://{host}:{ports[0]}/a.txt")


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.1:{}"])
def test_the_address_that_the_job_was_pointed_at_is_open(
    ports: tuple[int, int], trusted: str
) -> None:
    there = stores(trusted.format(ports[0]))
    with there.open(f"http://127.0.0.1:{ports[0]}/a.txt") as file:
        assert file.read() == b"content"


def test_a_redirect_to_a_private_address_is_refused(ports: tuple[int, int]) -> None:
    one, other = ports
    there = stores(f"127.0.0.1:{one}")
    for target in (f"http://127.0.0.1:{other}/a.txt", f"http://localhost:{other}/a.txt"):
        with pytest.raises(ForbiddenSourceError, match="private address"):
            there.stat(f"http://127.0.0.1:{one}/to?{target}")


def test_a_redirect_within_a_trusted_host_is_followed(ports: tuple[int, int]) -> None:
    one, other = ports
    uri = f"http://127.0.0.1:{one}/to?http://127.0.0.1:{other}/a.txt"
    with stores("127.0.0.1").open(uri) as file:
        assert file.read() == b"content"


def test_only_the_web_can_be_redirected_to(ports: tuple[int, int]) -> None:
    there = stores("127.0.0.1")
    with pytest.raises((OSError, ValueError)):
        there.stat(f"http://127.0.0.1:{ports[0]}/to?file:///etc/passwd")


def test_ranges_are_told_from_whole_files(ports: tuple[int, int]) -> None:
    for port, ranged in zip(ports, (True, False), strict=True):
        filesystem, path = stores("127.0.0.1").locate(f"http://127.0.0.1:{port}/a.txt")
        info = filesystem.info(path)
        assert (info["size"], info["partial"]) == (7, ranged)
        assert filesystem.isdir(path) is False


def test_a_signed_link_that_refuses_head_is_read(ports: tuple[int, int], tmp_path: Path) -> None:
    class Signed(Ranged):
        def do_HEAD(self) -> None:
            self._empty(403)

    (tmp_path / "a.txt").write_text("signed")
    with serving(tmp_path, Signed) as port:
        uri = f"http://127.0.0.1:{port}/a.txt?X-Amz-Signature=f00"
        with stores("127.0.0.1").open(uri) as file:
            assert file.read() == b"signed"
