"""What several areas declare alike."""

from __future__ import annotations

from klaviyo_simulator.declarations import Cost, Filter, Tier

ONE_OR_SEVERAL = "str: eq any[] eq[]"
BETWEEN = "dt: ge gt le lt"
AT_OR_BETWEEN = "dt: eq ge gt le lt"

PREDICTIONS = Cost("predictive_analytics", Tier.M)
PROFILE_COUNT = Cost("profile_count", Tier.XS)
MEMBERSHIPS = Cost("memberships", Tier.XS)


def alike(operators: str, *names: str) -> dict[str, Filter]:
    """Fields that are filtered in the same way."""
    return {name: Filter.of(operators) for name in names}
