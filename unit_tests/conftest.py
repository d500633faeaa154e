"""What the tests of several parts share."""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, settings

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
