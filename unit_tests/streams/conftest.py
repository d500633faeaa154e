"""What the tests of the streams share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests_mock

from unit_tests.fake_api import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def klaviyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKlaviyo]:
    """A Klaviyo that may not have to refuse anything, unless the test expects it."""
    with requests_mock.Mocker(case_sensitive=True) as mocker:
        api = FakeKlaviyo(mocker)
        api.install(monkeypatch)
        yield api
    assert api.may_refuse or api.refusals == []
