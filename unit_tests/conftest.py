"""What the tests of several parts share."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import requests_mock
from hypothesis import HealthCheck, settings

from unit_tests.fake_api import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import Iterator

# a machine under load is slow, which says nothing of the code
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """All that is logged, down to DEBUG, whatever the CDK has made of its logger by then."""
    monkeypatch.setattr(logging.getLogger("airbyte"), "propagate", True)
    caplog.set_level(logging.DEBUG, "airbyte")
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def klaviyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKlaviyo]:
    """A Klaviyo that may not have to refuse anything, unless the test expects it."""
    with requests_mock.Mocker(case_sensitive=True) as mocker:
        api = FakeKlaviyo(mocker)
        api.install(monkeypatch)
        yield api
    assert api.may_refuse or api.refusals == []
