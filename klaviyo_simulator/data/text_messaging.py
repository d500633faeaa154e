"""Senders of text messages, their registrations, and the account's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record
from klaviyo_simulator.protocol.moments import iso

if TYPE_CHECKING:
    from klaviyo_simulator.data.birth import Birth

_KINDS = ("toll_free", "long_code", "short_code", "alpha", "vanity_short_code")


def sender(birth: Birth) -> Record:
    """One sender."""
    random = birth.random
    active = random.random() < 0.7
    attributes = {
        "sender_type": _KINDS[birth.number % len(_KINDS)],
        "status": "active" if active else "pending_registration",
        "sender_details": {"country": random.choice(("US", "TR", "DE"))},
        "sender_identifier": f"+1800555{birth.number:04}" if active else None,
        "forwarding_number": "+18005550000" if birth.number % 3 == 0 else None,
        "created_at": birth.times_at()["created_at"],
    }
    return Record(words.ulid(random, birth.created), attributes)


def registration(birth: Birth) -> Record:
    """One registration of a sender with the carriers."""
    random = birth.random
    status = random.choice(("approved", "approved", "in_review", "rejected", "action_required"))
    decided = status in {"approved", "rejected"}
    attributes = {
        "status": status,
        "failures": [{"detail": "The website does not name the shop — 🛒."}] if status == "rejected" else [],
        **birth.times_at(),
        "submitted_at": iso(birth.created),
        "decided_at": iso(birth.updated) if decided else None,
    }
    return Record(words.ulid(random, birth.created), attributes)


def configuration(identity: str, created: int) -> Record:
    """How the account sends text messages; it has the account's id."""
    attributes = {
        "org_prefix": "Ünlü & Co.",
        "opt_out_language": "Reply STOP",
        "status": "active",
        "created_at": iso(created),
        "updated_at": iso(created + 60),
    }
    return Record(identity, attributes)
