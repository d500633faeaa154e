"""Filters on suppressions: the rules for them, and which suppression of a profile they compare.

Klaviyo's SDK changelogs of revision 2023-10-15 state the rules; that a sort is refused, and that the pages come by
the timestamp of the suppression, was seen in a live account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klaviyo_simulator.filters import Condition
    from klaviyo_simulator.settings import Settings

SUPPRESSION = "subscriptions.email.marketing.suppression"
LIST_SUPPRESSIONS = "subscriptions.email.marketing.list_suppressions"


def order(conditions: Sequence[Condition], dates: int, sort: str | None, settings: Settings) -> str | None:
    """The field by which the answer to a filter on suppressions is paged, or None for other filters.

    Args:
        conditions: The conditions of the filter.
        dates: How many of them are on dates.
        sort: The sort that was asked for, if any.
        settings: Those of the simulator.

    Raises:
        ApiError: if the filter breaks a rule that holds for suppressions only.
    """
    kinds = {each.each for each in conditions} & {SUPPRESSION, LIST_SUPPRESSIONS}
    if not kinds:
        return None
    if settings.refuse_suppression_filter:
        raise invalid("filter", "You may not filter on subscriptions.")
    if sort is not None:
        raise invalid("filter", f"You may not filter on subscriptions and sort by '{sort}' in one request.")
    if len(kinds) > 1:
        raise invalid("filter", "Global suppressions and list suppressions cannot be filtered on together.")
    if dates > 1:
        raise invalid("filter", "Together with suppressions, a filter may have one condition on a date.")
    kind = str(kinds.pop())
    if kind == LIST_SUPPRESSIONS and not any(each.field == f"{kind}.list_id" for each in conditions):
        raise invalid("filter", "A filter on list suppressions must name the list_id.")
    return f"{kind}.{'first' if settings.suppression_order == 'first' else 'timestamp'}"


def compared(suppressions: list[dict[str, Any]], which: str) -> list[dict[str, Any]]:
    """The suppressions that a date is compared with: the latest, the first, or all of them."""
    if which == "any" or not suppressions:
        return suppressions
    pick = max if which == "latest" else min
    return [pick(suppressions, key=lambda each: str(each["timestamp"]))]
