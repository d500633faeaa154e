"""Helpers for the tests of whole syncs: accounts to read, and assertions about the output."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airbyte_cdk.models import Type

from source_klaviyo.sync.cursor import CONSISTENCY_LAG
from source_klaviyo.sync.instants import DAY, HOUR, SECOND, Instant, for_filter, parse_instant
from unit_tests.fake_api import HOST, NOW, FakeKlaviyo, Output, Request, error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airbyte_cdk.models import AirbyteMessage, AirbyteStreamStatus

NAMES = ["campaigns", "email_templates", "events", "flows", "global_exclusions", "lists", "metrics", "profiles"]
START = parse_instant("2024-01-01T00:00:00Z")
STATE = "2024-06-01T00:00:00+0000"
SINCE = parse_instant(STATE)
AHEAD = (NOW + HOUR, NOW + 100 * DAY, NOW + 300 * DAY)
"""Dates in the future."""
FORBIDDEN = error(403, "permission_denied", "You do not have permission to perform this action.")
BROKEN = error(500, "error", "Something went wrong.")


# --- accounts -------------------------------------------------------------------------------------------


def iso(instant: Instant) -> str:
    """Return an instant as Klaviyo writes it into records."""
    return f"{for_filter(instant)[:-1]}.{instant % SECOND:06}+00:00"


def seconds(count: int) -> list[Instant]:
    """Return this many consecutive seconds, from SINCE on."""
    return [SINCE + number * SECOND for number in range(count)]


def cursor_of(stream: str) -> str:
    return {"events": "datetime", "campaigns": "updated_at"}.get(stream, "updated")


def add(klaviyo: FakeKlaviyo, resource: str, instants: Iterable[Instant]) -> list[str]:
    """Add records with these dates; returns their IDs."""
    return klaviyo.add(resource, *({cursor_of(resource): iso(instant)} for instant in instants))


def add_events(klaviyo: FakeKlaviyo, *instants: Instant) -> list[str]:
    return add(klaviyo, "events", instants)


def add_profiles(klaviyo: FakeKlaviyo, *instants: Instant) -> list[str]:
    return add(klaviyo, "profiles", instants)


def skewed(count: int) -> list[Instant]:
    """Return dates of which most lie in a hundredth of the time, with ties."""
    chance = random.Random(7)
    dense = [SINCE + chance.randrange(0, 2 * DAY) // SECOND * SECOND for _ in range(count * 9 // 10)]
    sparse = (Instant(chance.randrange(START, NOW - DAY)) for _ in range(count // 10))
    return sorted([*dense, *sparse, *dense[:20]])


def fail_on(klaviyo: FakeKlaviyo, resource: str, status: int, body: bytes) -> None:
    """Respond to all requests for a resource with this."""
    klaviyo.before = lambda request: (status, body) if request.resource == resource else None


def fail_after_a_page(klaviyo: FakeKlaviyo) -> None:
    """Let each resource fail for good after its first page."""
    klaviyo.page_limit = 2
    add_events(klaviyo, *seconds(10))
    requested: Counter[str] = Counter()

    def before(request: Request) -> tuple[int, bytes] | None:
        requested[request.resource] += 1
        return (500, BROKEN) if requested[request.resource] > 1 else None

    klaviyo.before = before


def expire_before(klaviyo: FakeKlaviyo, *requests: int) -> None:
    """Let all page cursors expire before the requests of these numbers."""
    klaviyo.may_reject = True

    def before(_: Request) -> None:
        if len(klaviyo.requests) in requests:
            klaviyo.expire()

    klaviyo.before = before


def document(records: Iterable[tuple[str, str | None]], field: str = "updated", link: str | None = None) -> bytes:
    """A page with records of these IDs and dates."""
    data = [{"type": "x", "id": identity, "attributes": {field: date}} for identity, date in records]
    return json.dumps({"data": data, "links": {"next": link}}).encode()


def link_to(page: object) -> str:
    return f"{HOST}/api/x?page%5Bcursor%5D={page}"


def pages_of(*pages: list[Instant], field: str = "updated") -> Callable[[Request], tuple[int, bytes]]:
    """Respond with these pages, in this order, whatever is requested."""
    ids = map(str, range(1000))
    links = [*map(link_to, range(1, len(pages))), None]
    bodies = [
        document([(next(ids), iso(one)) for one in page], field, link) for page, link in zip(pages, links, strict=True)
    ]
    return lambda request: (200, bodies[int(request.params.get("page[cursor]", 0))])


# --- output ---------------------------------------------------------------------------------------------


def record_of(message: AirbyteMessage) -> dict[str, Any] | None:
    """Return the data of a record; None for any other message."""
    return message.record.data if message.record else None


def state_of(message: AirbyteMessage) -> dict[str, Any] | None:
    """Return the state of a stream; None for any other message."""
    if not message.state or not message.state.stream:
        return None
    found: dict[str, Any] = json.loads(json.dumps(message.state.stream.stream_state.__dict__))
    return found


def positions(output: Output, stream: str) -> list[Instant]:
    """Return the positions in the states of a stream without partitions, in order."""
    return [parse_instant(state[cursor_of(stream)]) for state in output.states(stream)]


def assert_states_are_true(output: Output, stream: str, now: Instant) -> None:
    """Assert for a single stream that states grow, stay before the present, and follow the records they cover."""
    field = cursor_of(stream)
    found = positions(output, stream)
    assert found == sorted(found)
    assert all(one != other for one, other in pairwise(output.states(stream)))
    assert found[-1] <= now - CONSISTENCY_LAG
    for place, message in enumerate(output):
        state = state_of(message)
        if state is not None:
            late = [one for one in Output(output[place:]).records(stream) if one[field]]
            assert all(parse_instant(one[field]) >= parse_instant(state[field]) for one in late)


def places(output: Output, status: AirbyteStreamStatus) -> Iterator[int]:
    """Return the indexes of a status in the output."""
    for place, message in enumerate(output):
        if message.trace and message.trace.stream_status and message.trace.stream_status.status == status:
            yield place


def last_state(output: Output) -> int:
    """Return the index of the last state in the output."""
    return max(place for place, message in enumerate(output) if message.type == Type.STATE)


def hour_counts(output: Output) -> list[int]:
    """Return the number of events of each recent hour, by the last state of events."""
    (hours,) = output.states("events")[-1]["recent_hours"]
    return [count for count, _ in hours["hours"].values()]
