"""The numbers of reports, derived from the seed, the subject, the day and the statistic only.

All activity of a message, form or segment on a day is in one hour, a different one each day. So hours, days, weeks
and years are sums of the same numbers, and the present day is complete up to this hour.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Keys = NDArray[np.uint64]
    Numbers = NDArray[np.int64]

RATES = {
    "average_order_value": ("conversion_value", "conversions"),
    "bounce_rate": ("bounced", "recipients"),
    "bounced_or_failed_rate": ("bounced_or_failed", "recipients"),
    "click_rate": ("clicks_unique", "delivered"),
    "click_to_open_rate": ("clicks_unique", "opens_unique"),
    "conversion_rate": ("conversion_uniques", "delivered"),
    "delivery_rate": ("delivered", "recipients"),
    "failed_rate": ("failed", "recipients"),
    "open_rate": ("opens_unique", "delivered"),
    "revenue_per_recipient": ("conversion_value", "recipients"),
    "spam_complaint_rate": ("spam_complaints", "delivered"),
    "submit_rate": ("submits", "viewed_form"),
    "text_message_roi": ("conversion_value", "text_message_spend"),
    "unsubscribe_rate": ("unsubscribe_uniques", "delivered"),
}
"""Statistics that are quotients: dividend and divisor; 0 if the divisor is 0."""
LEVELS = frozenset({"total_members"})
"""Statistics that are the state at the end of an interval instead of a sum."""

_MONEY = frozenset({"conversion_value", "text_message_spend"})  # counted in cents
_CENTS_PER_SEGMENT = 1.2  # cost of a segment of a text message


class Grid(NamedTuple):
    """A grid of numbers with a row for each subject and a column for each day."""

    keys: Keys
    days: Numbers  # as `date.toordinal`

    def chance(self, salt: str) -> Floats:
        """Return a pseudo-random number in [0, 1) for each subject and day."""
        with np.errstate(over="ignore"):
            mixed = self.keys[:, None] ^ self.days[None, :].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            mixed = mixed ^ np.uint64(key_of(salt))
            for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
                mixed = (mixed ^ mixed >> np.uint64(shift)) * np.uint64(factor)
            mixed ^= mixed >> np.uint64(31)
        chances: Floats = (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53
        return chances

    def share(self, of: Numbers, least: float, most: float, salt: str) -> Numbers:
        """Return a part of some counts, between the shares `least` and `most`."""
        exact = of * (least + (most - least) * self.chance(salt)) + self.chance(f"{salt}:rounding")
        found: Numbers = np.minimum(np.floor(exact).astype(np.int64), of)
        return found

    def hours(self) -> Numbers:
        """Return the hour of all activity for each subject and day."""
        hours: Numbers = (self.chance("hour") * 24).astype(np.int64)
        return hours


def key_of(text: str) -> int:
    """Hash a text to 64 bits."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def audience(grid: Grid, sizes: Sequence[int], activity: Floats) -> Numbers:
    """Return the audience of each subject and day: about its size times `activity`, and 0 on some days."""
    size = np.array(sizes, np.int64)[:, None]
    exact = size * (0.5 + grid.chance("audience")) * activity * (grid.chance("idle") > 0.15)
    reached: Numbers = exact.astype(np.int64)
    return reached


def messages(
    grid: Grid, recipients: Numbers, channels: Sequence[str], metric: str, settled_share: Floats
) -> dict[str, Numbers]:
    """Return counts of messages, with the share of each day's conversions that is attributed by now."""
    texts = np.array([channel in {"sms", "whatsapp"} for channel in channels], np.int64)[:, None]
    failed = grid.share(recipients, 0, 0.03, "failed")
    bounced = grid.share(recipients - failed, 0, 0.04, "bounced")
    delivered = recipients - failed - bounced
    opens_unique = grid.share(delivered, 0.1, 0.6, "opens") * (1 - texts)
    clicks_unique = grid.share(np.where(texts, delivered, opens_unique), 0.05, 0.4, "clicks")
    unsubscribes = grid.share(delivered, 0, 0.02, "unsubscribes")
    buyers = grid.share(clicks_unique, 0.2, 0.9, f"buyers:{metric}")
    buyers = (
        np.floor(buyers * settled_share + grid.chance("settling") * (settled_share < 1))
        .astype(np.int64)
        .clip(max=buyers)
    )
    conversions = buyers + grid.share(buyers, 0, 0.5, f"again:{metric}")
    price = (500 + 20_000 * grid.chance(f"price:{metric}")).astype(np.int64)
    segments = (delivered + grid.share(delivered, 0, 1, "segments")) * texts
    return {
        "recipients": recipients,
        "failed": failed,
        "bounced": bounced,
        "bounced_or_failed": failed + bounced,
        "delivered": delivered,
        "opens_unique": opens_unique,
        "opens": opens_unique + grid.share(opens_unique, 0, 1, "opened again"),
        "clicks_unique": clicks_unique,
        "clicks": clicks_unique + grid.share(clicks_unique, 0, 1, "clicked again"),
        "unsubscribe_uniques": unsubscribes,
        "unsubscribes": unsubscribes + grid.share(unsubscribes, 0, 0.2, "unsubscribed again"),
        "spam_complaints": grid.share(delivered, 0, 0.005, "spam"),
        "conversion_uniques": buyers,
        "conversions": conversions,
        "conversion_value": conversions * price,
        "message_segment_count_sum": segments,
        "text_message_credit_usage_amount": segments,
        "text_message_spend": np.ceil(segments * _CENTS_PER_SEGMENT).astype(np.int64),
    }


def forms(grid: Grid, viewed: Numbers) -> dict[str, Numbers]:
    """Return counts of forms."""
    viewers = grid.share(viewed, 0.6, 1, "viewers")
    closed = grid.share(viewed, 0.3, 0.7, "closed")
    submitters = grid.share(viewers, 0, 0.3, "submitters")
    steps = submitters + grid.share(submitters, 0, 1, "steps")
    return {
        "viewed_form": viewed,
        "viewed_form_uniques": viewers,
        "viewed_form_step": viewed + submitters,
        "viewed_form_step_uniques": viewers,
        "closed_form": closed,
        "closed_form_uniques": np.minimum(closed, viewers),
        "submits": submitters,
        "submitted_form_step": steps,
        "submitted_form_step_uniques": submitters,
        "qualified_form": grid.share(viewed, 0.8, 1, "qualified"),
        "qualified_form_uniques": grid.share(viewers, 0.8, 1, "qualified"),
    }


def segments(grid: Grid, added: Numbers, happened: NDArray[np.bool_], before: int) -> dict[str, Numbers]:
    """Return counts of segments, from their first day on; some members leave the day after they joined.

    The first `before` days are cut off. `total_members` has the level on the first day after them and the changes of
    the others, so its running sums are the levels.
    """
    removed = np.zeros_like(added)
    removed[:, 1:] = Grid(grid.keys, grid.days[1:]).share(added[:, :-1], 0, 1, "removed")
    added, removed = added * happened, removed * happened
    net = added - removed
    total = net.copy()
    total[:, before] = net[:, : before + 1].sum(axis=1)
    counts = {"members_added": added, "members_removed": removed, "net_members_changed": net, "total_members": total}
    return {name: values[:, before:] for name, values in counts.items()}


def statistic(name: str, counts: Mapping[str, Numbers]) -> list[Any]:
    """Return the values of a statistic, from the counts of one group by interval."""
    if name in RATES:
        above, below = (_in_units(each, counts) for each in RATES[name])
        quotients = np.divide(above, below, out=np.zeros(len(above)), where=below > 0)
        return [round(value, 6) for value in quotients.tolist()]
    if name in LEVELS:
        levels: list[Any] = counts[name].cumsum().tolist()
        return levels
    values: list[Any] = (_in_units(name, counts).round(2) if name in _MONEY else counts[name]).tolist()
    return values


def _in_units(name: str, counts: Mapping[str, Numbers]) -> Floats:
    plain: Floats = counts[name] / (100.0 if name in _MONEY else 1.0)
    return plain
