"""Reviews: the newest first, and known ones are not requested again."""

from __future__ import annotations

from unit_tests.fake_api import HOST, FakeKlaviyo, sync
from unit_tests.streams.documents import DAY, page, resource, serve


def test_the_newest_reviews_come_first_and_known_ones_are_not_requested(klaviyo: FakeKlaviyo) -> None:
    more = f"{HOST}/api/reviews?page%5Bcursor%5D=x"
    pages = [
        page(*(resource("review", f"R{day}", updated=DAY.format(day)) for day in days), following=f"{more}{days[0]}")
        for days in ((9, 8), (7, 6), (5, 4), (3, 2))
    ]
    serve(klaviyo, {"reviews": lambda _: pages[len(klaviyo.requests) - 1]})
    output = sync("reviews", state={"reviews": {"updated": "2024-06-07T00:00:00+0000"}})
    assert output.ids() == ["R9", "R8", "R7"]
    assert len(klaviyo.requests) == 3
    assert klaviyo.first_pages()[0]["sort"] == "-updated"
    assert output.states("reviews")[-1] == {"updated": "2024-07-01T11:59:55+0000"}


def test_reviews_out_of_order_are_read_to_the_end(klaviyo: FakeKlaviyo) -> None:
    more = f"{HOST}/api/reviews?page%5Bcursor%5D=x"
    pages = {
        True: page(*(resource("review", f"R{day}", updated=DAY.format(day)) for day in (5, 9, 4)), following=more),
        False: page(resource("review", "R8", updated=DAY.format(8))),
    }
    serve(klaviyo, {"reviews": lambda request: pages[request.is_first_page]})
    assert sync("reviews", state={"reviews": {"updated": "2024-06-07T00:00:00+0000"}}).ids() == ["R9", "R8"]


def test_reviews_that_come_pages_after_their_place_in_the_order_are_read(klaviyo: FakeKlaviyo) -> None:
    more = f"{HOST}/api/reviews?page%5Bcursor%5D="
    pages = [
        page(*(resource("review", f"R{day}", updated=DAY.format(day)) for day in days), following=following)
        for days, following in (((12, 11, 2), more), ((10, 9), more + "y"), ((1,), more + "z"), ((8,), None))
    ]
    serve(klaviyo, {"reviews": lambda _: pages[len(klaviyo.requests) - 1]})
    output = sync("reviews", state={"reviews": {"updated": "2024-06-07T00:00:00+0000"}})
    assert output.ids() == ["R12", "R11", "R10", "R9", "R8"]
