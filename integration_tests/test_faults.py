"""What fails for a passing reason is asked again; what lasts ends its stream with a sentence, and only that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.test_sync import assert_sound
from integration_tests.truth import expected

if TYPE_CHECKING:
    from integration_tests.connector import Connector
    from klaviyo_simulator import Simulator

PASSING: list[dict[str, Any]] = [
    {"kind": "status", "status": 503, "path": "/api/events"},
    {"kind": "status", "status": 429, "retry_after": 1, "path": "/api/lists"},
    {"kind": "status", "status": 429, "path": "/api/metrics"},
    {"kind": "status", "status": 500, "path": "/api/campaigns"},
    {"kind": "html_403", "path": "/api/templates"},
    {"kind": "html", "path": "/api/flows"},
    {"kind": "empty", "path": "/api/profiles"},
    {"kind": "invalid_json", "path": "/api/lists"},
    {"kind": "reset_before", "path": "/api/metrics"},
    {"kind": "reset_middle", "path": "/api/profiles", "after": 2},
    {"kind": "truncated", "path": "/api/events", "after": 2},
    {"kind": "bad_gzip", "path": "/api/templates", "after": 1},
    {"kind": "bad_cursor", "path": "/api/profiles", "after": 4},
    {"kind": "unordered", "path": "/api/events", "after": 3},
]


def test_all_records_arrive_whatever_fails_on_the_way(shop: Simulator, connector: Connector) -> None:
    shop.add_faults([{"times": 1, **fault} for fault in PASSING])

    output = connector.read()

    assert_sound(output, shop.now())
    for stream in output.statuses:
        assert set(output.ids(stream)) == expected(shop, stream), stream
    assert sum(shop.stats()["faults"].values()) == len(PASSING)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        pytest.param(
            {"kind": "redirect", "location": "https://example.org/"}, "system_error", "redirect", id="redirect"
        ),
        pytest.param({"kind": "foreign_next", "host": "example.org"}, "system_error", "example.org", id="foreign page"),
        pytest.param({"kind": "repeat_page"}, "system_error", "same page", id="page without end"),
    ],
)
def test_what_lasts_costs_its_stream_only(
    shop: Simulator, connector: Connector, fault: dict[str, Any], kind: str, words: str
) -> None:
    shop.add_faults([{"path": "/api/lists", "times": None, **fault}])

    output = connector.read("lists", "metrics")

    assert output.code == 1
    assert output.statuses["lists"][-1] == "INCOMPLETE"
    assert output.statuses["metrics"][-1] == "COMPLETE"
    (error,) = [error for error in output.errors if error.get("stream_descriptor")]
    assert error["failure_type"] == kind
    assert words in error["message"]
    assert "Traceback" not in "".join(output.logs)


def test_a_parent_that_is_deleted_while_its_stream_is_read_costs_its_children_only(
    shop: Simulator, connector: Connector
) -> None:
    first, *others = shop.ids("lists")
    shop.add_faults([{"kind": "status", "status": 404, "path": f"/api/lists/{first}/profiles", "times": None}])

    output = connector.read("list_profiles")

    assert_sound(output, shop.now())
    shop.clear_faults()
    assert set(output.ids("list_profiles")) == {
        (group, profile) for group, profile in expected(shop, "list_profiles") if group in others
    }
