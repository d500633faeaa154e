"""A shop behind the simulator, and the connector pointed at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration_tests.connector import KEY, Connector
from integration_tests.forks import Forks
from klaviyo_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shop() -> Iterator[Simulator]:
    """A small shop without limits or latency, for one test."""
    with Simulator(key=KEY, limits=False, events=5_000, profiles=900, campaigns=120, flows=60, lists=35) as simulator:
        yield simulator


@pytest.fixture
def connector(shop: Simulator, tmp_path: Path) -> Connector:
    """The connector, pointed at the shop."""
    return Connector(shop.url, tmp_path)


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Run commands without waits before retries."""
    forks = Forks(tmp_path_factory.mktemp("forks"), patient=False)
    yield forks
    forks.close()


def pytest_configure(config: pytest.Config) -> None:
    """Let no test fail because of a connection that arrived while the simulator was being stopped.

    A killed connector of an earlier test may just have connected. Then the event loop ends before it accepts that, and
    the garbage collector finds the socket while another test is running.
    """
    for left in ("unclosed transport <_SelectorSocketTransport", r"unclosed <socket.socket .*laddr=\('127\.0\.0\.1'"):
        config.addinivalue_line("filterwarnings", f"ignore:{left}:ResourceWarning")
