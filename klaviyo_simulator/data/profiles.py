"""Profiles: a few hundred full personas, and any number of profiles that each share one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record
from klaviyo_simulator.protocol.instants import SECOND, iso, iso_micro

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from klaviyo_simulator.data.timeline import Timeline

_PERSONAS = 256
UNSUBSCRIBE = "UNSUBSCRIBE"
_REASONS = ("HARD_BOUNCE", "INVALID_EMAIL", "SPAM_COMPLAINT", UNSUBSCRIBE, "USER_SUPPRESSED")

Suppressions = list[dict[str, Any]]


class Profile(Record):
    """A profile that stores its own values only, and shares the others of its persona."""

    __slots__ = (
        "_changes",
        "_persona",
        "consent",
        "created",
        "last_event",
        "list_suppressions",
        "number",
        "suppression",
    )

    def __init__(self, identity: str, number: int, persona: dict[str, Any], created: int, updated: int) -> None:
        super().__init__(identity, {})
        self.number = number
        self._persona = persona
        self.created = created
        self.last_event: int | None = None
        self.suppression: Suppressions | None = None
        self.list_suppressions: Suppressions | None = None
        self.consent: dict[str, Any] = {}
        self._changes: dict[str, Any] = {"updated": iso(updated)}

    @property
    def email(self) -> str | None:
        """The e-mail address; some profiles have only a telephone number."""
        return None if self.number % 29 == 28 else f"person.{self.number}@example.com"

    @property
    @override
    def attributes(self) -> dict[str, Any]:
        own = {
            "email": self.email,
            "phone_number": f"+1500{self.number:07d}" if self.number % 3 == 0 else None,
            "external_id": f"customer-{self.number}" if self.number % 2 else None,
            "created": iso(self.created),
            "last_event_date": None if self.last_event is None else iso(self.last_event),
            "subscriptions": self._subscriptions(),
        }
        return {**self._persona, **own, **self._changes}

    @override
    def change(self, **attributes: Any) -> None:
        self._changes = {**self._changes, **attributes}

    @override
    def value(self, name: str) -> Any:
        """Return the value at a dotted path; frequent ones without building all attributes."""
        if name in self._changes:
            return self._changes[name]
        if name == "created":
            return iso(self.created)
        if name == "email":
            return self.email
        suppressions, _, which = name.rpartition(".")
        if which in {"timestamp", "first"} and suppressions.startswith("subscriptions."):
            timestamps = [each["timestamp"] for each in self.elements(suppressions)]
            return (max if which == "timestamp" else min)(timestamps, default=None)
        return super().value(name)

    @override
    def elements(self, name: str) -> list[dict[str, Any]]:
        """Return the suppressions of one kind, or the elements of a relationship."""
        if not name.endswith("suppression") and not name.endswith("suppressions"):
            return super().elements(name)
        return (self.list_suppressions if name.endswith("list_suppressions") else self.suppression) or []

    def suppress(self, reason: str, timestamp: str) -> None:
        """Add a suppression, which keeps `updated`; the reason UNSUBSCRIBE also ends the consent."""
        found = [*(self.suppression or []), {"reason": reason, "timestamp": timestamp}]
        self.suppression = sorted(found, key=lambda each: str(each["timestamp"]))

    def subscribe(self, timestamp: str) -> None:
        """Give consent, and remove suppressions by unsubscription but no others."""
        self.suppression = [each for each in self.suppression or [] if each["reason"] != UNSUBSCRIBE]
        self.consent = {"consent": "SUBSCRIBED", "consent_timestamp": timestamp, "last_updated": timestamp}

    def _subscriptions(self) -> dict[str, Any]:
        shared, suppression = self._persona["subscriptions"], self.suppression or []
        marketing = {
            **shared["email"]["marketing"],
            **self.consent,
            "suppression": suppression,
            "list_suppressions": self.list_suppressions or [],
        }
        if suppression:
            marketing |= {"can_receive_email_marketing": False, "last_updated": suppression[-1]["timestamp"]}
        if any(each["reason"] == UNSUBSCRIBE for each in suppression):
            marketing["consent"] = "UNSUBSCRIBED"
        return {**shared, "email": {**shared["email"], "marketing": marketing}}


class ProfileMaker:
    """A maker of profiles, initial and later ones."""

    def __init__(self, random: Random, timeline: Timeline, lists: Sequence[str]) -> None:
        self._random = random
        self._timeline = timeline
        self._lists = lists
        self._personas = [_persona(random, timeline) for _ in range(_PERSONAS)]
        self._made = 0

    def initial(self, count: int) -> Iterator[Profile]:
        """Yield the initial profiles."""
        random, timeline = self._random, self._timeline
        imported = timeline.draw(random)
        for _ in range(count):
            created = timeline.draw(random)
            draw = random.random()
            # A tenth came with one bulk import, so they share the second of their last change.
            updated = max(created, imported) if draw < 0.1 else timeline.draw_after(random, created)
            profile = self.make(created, updated)
            if draw > 0.3:
                profile.last_event = timeline.draw_after(random, created)
            if random.random() < 0.08:
                times = random.choices((1, 2, 3), (8, 3, 1))[0]
                profile.suppression = sorted(
                    ({"reason": random.choice(_REASONS), "timestamp": self._since(created)} for _ in range(times)),
                    key=lambda each: each["timestamp"],
                )
            if self._lists and random.random() < 0.04:
                profile.list_suppressions = [self._list_suppression(created)]
            yield profile

    def make(self, created: int, updated: int) -> Profile:
        """Make a profile."""
        number, self._made = self._made, self._made + 1
        persona = self._personas[self._random.randrange(_PERSONAS)]
        return Profile(words.ulid(self._random, created), number, persona, created, updated)

    def reason(self) -> str:
        """Return a random reason of suppression."""
        return self._random.choice(_REASONS)

    def _since(self, created: int) -> str:
        return iso_micro(self._timeline.draw_after(self._random, created) * SECOND + self._random.randrange(SECOND))

    def _list_suppression(self, created: int) -> dict[str, Any]:
        random = self._random
        list_id, reason = random.choice(self._lists), random.choice(_REASONS)
        return {"list_id": list_id, "reason": reason, "timestamp": self._since(created)}


def _persona(random: Random, timeline: Timeline) -> dict[str, Any]:
    city, region, country, zone, latitude, longitude = random.choice(words.PLACES)
    location = {
        "address1": words.or_null(random, f"{random.randrange(1, 200)} E 42nd St"),
        "address2": words.or_null(random, "1st floor", 0.7),
        "city": words.or_null(random, city),
        "country": country,
        "latitude": random.choice((latitude, str(latitude), None)),
        "longitude": random.choice((longitude, str(longitude), None)),
        "region": words.or_null(random, region),
        "zip": words.or_null(random, f"{random.randrange(10000, 99999)}"),
        "timezone": words.or_null(random, zone),
        "ip": words.or_null(random, f"192.0.2.{random.randrange(256)}"),
    }
    return {
        "first_name": words.or_null(random, random.choice(words.FIRST_NAMES)),
        "last_name": words.or_null(random, random.choice(words.LAST_NAMES)),
        "organization": words.or_null(random, "Example Corporation", 0.8),
        "locale": random.choice(words.LOCALES),
        "title": words.or_null(random, "Regional Manager", 0.8),
        "image": words.or_null(random, "https://images.example.com/photo.jpeg", 0.8),
        "location": words.or_null(random, location, 0.02),
        "properties": _properties(random),
        "subscriptions": _subscriptions(random, timeline),
        "predictive_analytics": _predictions(random, timeline),
    }


def _properties(random: Random) -> dict[str, Any]:
    return {
        "loyalty_points": random.choice((*words.HUGE, random.randrange(10000))),
        "average_basket": random.choice((0.1 + 0.2, 1e-7, 19.99, 1.0, 12345678901234.5)),
        "favourites": random.sample(words.PRODUCTS, 2),
        "$consent": random.choice((["email"], [], None)),
        "nested": {"level": {"deep": [1, {"x": None}], "empty": {}}},
        "note": words.filler(random, random.randrange(20, 200)),
        "is_member": random.choice((True, False, None)),
        "": "a key without a name",
    }


def _subscriptions(random: Random, timeline: Timeline) -> dict[str, Any]:
    consent = random.choice(("SUBSCRIBED", "NEVER_SUBSCRIBED"))
    since = None if consent == "NEVER_SUBSCRIBED" else iso(timeline.draw(random)).replace("T", random.choice("T "))
    how = {"method": words.or_null(random, "PREFERENCE_PAGE"), "method_detail": "example.com/signup"}
    email = {
        "can_receive_email_marketing": True,
        "consent": consent,
        "consent_timestamp": since,
        "last_updated": since,
        **how,
        "custom_method_detail": None,
        "double_optin": random.choice((True, False, None)),
    }
    text = {"consent": consent, "consent_timestamp": since, **how, "last_updated": since}
    may = consent == "SUBSCRIBED"
    tracking = {
        "consent": consent,
        "consent_timestamp": since,
        "last_updated": since,
        "created_timestamp": None,
        "metadata": None,
        "can_receive": may,
        "valid_until": None,
    }
    return {
        "email": {"marketing": email, "open_tracking": tracking, "click_tracking": tracking},
        "sms": {
            "marketing": {"can_receive_sms_marketing": may, **text},
            "transactional": {"can_receive_sms_transactional": may, **text},
        },
        "mobile_push": {
            "marketing": {"can_receive_push_marketing": may, "consent": consent, "consent_timestamp": since}
        },
        "whatsapp": None,
    }


def _predictions(random: Random, timeline: Timeline) -> dict[str, Any]:
    orders = random.randrange(0, 12)
    expected = timeline.now + random.randrange(10**7)
    found = {
        "historic_clv": round(random.random() * 900, 2),
        "predicted_clv": round(random.random() * 100, 2),
        "total_clv": round(random.random() * 1000, 2),
        "historic_number_of_orders": orders,
        "predicted_number_of_orders": random.random(),
        "average_days_between_orders": words.or_null(random, 30.5),
        "average_order_value": round(random.random() * 80, 2),
        "churn_probability": random.random(),
        "expected_date_of_next_order": iso(expected).removesuffix("+00:00"),
        "ranked_channel_affinity": random.choice((["sms", "email", "push"], None)),
    }
    return found if orders else dict.fromkeys(found)
