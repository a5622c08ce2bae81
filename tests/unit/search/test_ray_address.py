"""Addresses of Ray clusters: what cannot be one is said before Ray sees it."""

import os
import socket

import pytest

from edgescale.errors import SearchError
from edgescale.search import ray_address
from edgescale.search.ray_address import prepared_address


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "")  # so that what is set is unset again
        monkeypatch.delenv(name)
    monkeypatch.setattr(ray_address, "find_spec", lambda name: object())


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_without_ray_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_address, "find_spec", lambda name: None)
    with pytest.raises(SearchError, match=r"pip install 'edgescale\[ray\]'"):
        prepared_address(None)


@pytest.mark.parametrize(
    "address",
    ["nonsense", "local", "127.0.0.1", "127.0.0.1:", ":6379", "a b:1", "h:0", "h:65536",
     "h:1:2", "127.0.0.1:6379/"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    for given in (address, None):
        with pytest.raises(SearchError, match=r"not the address of a Ray cluster; give host:port"):
            prepared_address(given)


def test_an_empty_address_joins_no_cluster_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(SearchError, match=r"'': not the address of a Ray cluster"):
        prepared_address("")


def test_rays_client_is_refused_with_what_to_do() -> None:
    with pytest.raises(SearchError, match=r"client; start it on a node of the cluster"):
        prepared_address("ray://127.0.0.1:10001")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_an_address_at_which_nobody_listens_is_said(host: str, unused_port: int) -> None:
    with pytest.raises(SearchError, match=r"no Ray cluster answers .* start one with: ray start"):
        prepared_address(f"{host}:{unused_port}")


def test_an_address_at_which_somebody_listens_is_kept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert prepared_address(address) == address


def test_without_an_address_it_is_that_of_the_environment_or_this_machine(
    monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    assert prepared_address(None) == "auto"
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{unused_port}")
    with pytest.raises(SearchError, match=f"{unused_port}: no Ray cluster answers"):
        prepared_address(None)


def test_usage_reports_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    prepared_address(None)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
