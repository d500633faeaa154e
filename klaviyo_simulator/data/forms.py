"""Sign-up forms and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record

if TYPE_CHECKING:
    from klaviyo_simulator.data.birth import Birth

_STATUSES = ("live", "draft")


def form(birth: Birth) -> Record:
    """One form."""
    random = birth.random
    version: dict[str, Any] = {
        "id": random.randrange(1, 10**6),
        "steps": [],
        "triggers": [],
        "teasers": [],
        "dynamic_button": None,
        "name": words.title(random),
        "styles": {"width": "medium", "background_color": "#FFFFFF"},
        "properties": {"record_utm_params_on_submit": True, "accessible_name": None},
        "type": "popup",
        "location": None,
        "status": "live",
        "ab_test": False,
        "specialties": [],
        "channel": "WEB",
        "message_priority": 1,
    }
    attributes = {
        "name": f"{words.title(random)} 📝",
        "status": random.choice(_STATUSES),
        "ab_test": random.random() < 0.3,
        **birth.times_at(),
        "definition": {"versions": [version]},
    }
    return Record(words.short_id(random), attributes)


def form_version(birth: Birth) -> Record:
    """One version of a form."""
    random = birth.random
    attributes = {
        "form_type": random.choice(("popup", "embed", "full_page", "flyout", "banner")),
        "variation_name": random.choice(("Original", f"Variation {birth.number}", "変更案")),
        "ab_test": words.or_null(random, {"variation_name": "A/B „Test“"}, 0.6),
        "status": random.choice(_STATUSES),
        **birth.times_at(),
    }
    return Record(str(1_000_000 + birth.number * 7), attributes)
