"""Page sizes that Klaviyo rejects are reduced, once for all requests of a stream."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from unit_tests.fake_api import FakeKlaviyo, Rejected, Request, sync
from unit_tests.streams.core import fill, state_of


def refuse_pages_of(*sizes: str) -> Any:
    def before(request: Request) -> None:
        if request.params.get("page[size]") in sizes:
            raise Rejected("Page size must be between 1 and 200.", "page[size]")

    return before


def test_events_fall_back_once_to_pages_of_200_and_log_it(klaviyo: FakeKlaviyo, log: pytest.LogCaptureFixture) -> None:
    klaviyo.may_reject = True
    klaviyo.before = refuse_pages_of("1000")
    klaviyo.page_limit = 2
    ids = fill(klaviyo, "events", 5)
    assert sync("events", num_workers=1).ids() == ids
    assert [params["page[size]"] for params in klaviyo.first_pages()] == ["1000", "200"]
    said = [record.message for record in log.records if "refuses pages" in record.message]
    assert said == ["Klaviyo refuses pages of 1000 for stream events; continuing with pages of 200."]
    assert len(klaviyo.rejections) == 1


@pytest.mark.parametrize(
    ("stream", "refused", "asked"),
    [
        ("events", ("1000", "200"), ["1000", "200", None]),
        ("profiles", ("100",), ["100", "20"]),
        ("profiles", ("100", "20"), ["100", "20", None]),
        ("global_exclusions", ("100",), ["100", "20"]),
        ("lists", ("10",), ["10", None]),
        ("email_templates", ("10",), ["10", None]),
    ],
)
def test_a_page_size_that_klaviyo_rejects_is_reduced(
    klaviyo: FakeKlaviyo, stream: str, refused: tuple[str, ...], asked: list[str | None]
) -> None:
    klaviyo.may_reject = True
    klaviyo.before = refuse_pages_of(*refused)
    ids = fill(klaviyo, stream, 3)
    output = sync(stream)
    assert output.raised is None
    assert output.ids() == ids
    assert [params.get("page[size]") for params in klaviyo.first_pages()] == asked


def reject_all_at_once(klaviyo: FakeKlaviyo, size: str, parts: int) -> None:
    """Reject each partition's request after all have sent theirs; let the first retry before the others continue."""
    klaviyo.gate = threading.Barrier(parts, action=lambda: setattr(klaviyo, "gate", None))
    requested_again = threading.Event()
    first = threading.Semaphore(1)

    def before(request: Request) -> None:
        if request.params.get("page[size]") == size:
            raise Rejected("Page size must be smaller.", "page[size]")
        requested_again.set()

    klaviyo.may_reject = True
    klaviyo.before = before

    def on_rejection() -> None:
        if not first.acquire(blocking=False):
            requested_again.wait(10)

    klaviyo.on_rejection = on_rejection


@pytest.mark.parametrize(
    ("stream", "size", "smaller", "parts"),
    [("campaigns", "100", None, 6), ("flows", "50", None, 2), ("global_exclusions", "100", "20", 2)],
)
def test_partitions_that_are_rejected_at_once_all_continue_with_the_same_size(
    klaviyo: FakeKlaviyo, stream: str, size: str, smaller: str | None, parts: int
) -> None:
    reject_all_at_once(klaviyo, size, parts)
    ids = fill(klaviyo, stream, 3)
    output = sync(stream, state={stream: state_of(stream)})
    assert output.raised is None
    assert output.ids() == ids
    sizes = [params.get("page[size]") for params in klaviyo.first_pages()]
    assert Counter(sizes) == {size: parts, smaller: parts}


def test_an_error_about_something_else_does_not_reduce_pages(klaviyo: FakeKlaviyo) -> None:
    def before(_: Request) -> None:
        raise Rejected("Cannot filter by that.", "filter")

    klaviyo.may_reject = True
    klaviyo.before = before
    output = sync("events")
    assert len(klaviyo.requests) == 1
    assert "Cannot filter by that." in output.errors("events")[0].message
