"""Fixtures that the tests of several parts share."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import requests_mock
from hypothesis import HealthCheck, settings

from tools.facts.__main__ import DOCUMENTS
from unit_tests.fake_api import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import Iterator

# Klaviyo's documents are not part of the project; facts/ has what the other tests need of them
collect_ignore = [] if all(path.exists() for path in DOCUMENTS) else ["test_documents.py"]

# a machine under load is slow, which is no fault of the code
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """Capture everything that is logged, down to DEBUG, however the CDK has configured its logger."""
    monkeypatch.setattr(logging.getLogger("airbyte"), "propagate", True)
    caplog.set_level(logging.DEBUG, "airbyte")
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def klaviyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKlaviyo]:
    """A Klaviyo that must not have to reject a request, unless the test expects it."""
    with requests_mock.Mocker(case_sensitive=True) as mocker:
        api = FakeKlaviyo(mocker)
        api.install(monkeypatch)
        yield api
    assert api.may_reject or api.rejections == []
