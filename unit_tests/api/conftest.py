"""Fixtures that the tests of several modules of api/ share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from unit_tests.api.connection import CREDENTIALS, Connection
from unit_tests.api.conversation import Conversation

if TYPE_CHECKING:
    from requests_mock import Mocker


@pytest.fixture
def talk() -> Conversation:
    """A client with an API key."""
    return Conversation()


@pytest.fixture
def connection(requests_mock: Mocker, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A client with OAuth."""
    return Connection(requests_mock, monkeypatch, CREDENTIALS)
