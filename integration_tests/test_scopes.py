"""If the key lacks a scope, only the streams that need it fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration_tests.connector import COLLECTIONS, DECLARED, KEY, Connector, Output
from integration_tests.truth import assert_complete
from klaviyo_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

SCOPES = frozenset(
    {
        *("accounts:read", "campaigns:read", "catalogs:read", "conversations:read", "coupons:read"),
        *("events:read", "flows:read", "forms:read", "images:read", "lists:read", "profiles:read", "reviews:read"),
        "segments:read",
    }
)
LOST = {stream: scope for stream in COLLECTIONS for scope in DECLARED[stream].scope.split() if scope not in SCOPES}
"""The streams that need a scope that the key lacks, and that scope."""


@pytest.fixture(scope="module")
def shop() -> Iterator[Simulator]:
    """A small shop with real limits, and a key for some of it."""
    sizes = {"events": 300, "profiles": 100, "campaigns": 20, "flows": 4, "forms": 4, "lists": 4, "segments": 3}
    with Simulator(key=KEY, scopes=SCOPES, advanced_kdp=True, metrics=3, **sizes) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def output(shop: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Output:
    """A sync of all streams with that key."""
    return Connector(shop.url, tmp_path_factory.mktemp("scopes")).read(*COLLECTIONS)


@pytest.mark.parametrize("stream", LOST)
def test_a_stream_whose_scope_is_missing_names_it(output: Output, stream: str) -> None:
    (error,) = (each for each in output.errors if (each.get("stream_descriptor") or {}).get("name") == stream)

    assert output.code == 1
    assert output.statuses[stream][-1] == "INCOMPLETE"
    assert output.records[stream] == []
    assert error["failure_type"] == "config_error"
    assert LOST[stream] in error["message"]


@pytest.mark.parametrize("stream", [stream for stream in COLLECTIONS if stream not in LOST])
def test_the_other_streams_are_read_completely(shop: Simulator, output: Output, stream: str) -> None:
    assert_complete(output, shop, [stream], once=True)


def test_streams_are_read_without_tags_if_the_key_may_not_read_tags(
    shop: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The simulator lets any key include tags; if Klaviyo does not, the response is a 403 that names the scope."""
    tagged = ("campaigns", "flows", "lists", "segments")
    refusal = {"kind": "forbidden", "detail": "The key lacks the scopes this endpoint needs: tags:read."}
    shop.add_faults([{**refusal, "path": f"/api/{stream}", "times": 1} for stream in tagged])

    output = Connector(shop.url, tmp_path_factory.mktemp("tags")).read(*tagged)

    assert shop.stats()["faults"] == {"forbidden": len(tagged)}
    assert output.code == 0, output.logs
    assert_complete(output, shop, tagged, once=True)
    for stream in tagged:
        assert any(
            "rejected the parameters include=tags" in log and f"of stream {stream}" in log for log in output.logs
        )
