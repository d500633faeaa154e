"""Words for made-up data, chosen to be awkward: scripts, emoji, quotes, escapes, numbers beyond 64 bit."""

from __future__ import annotations

import string
from random import Random
from typing import Any

# Letters that look alike are here on purpose.
FIRST_NAMES = (
    *("Sarah", "José", "Zoë", "Mehmet", "美咲", "伟", "지우", "محمد", "נועה", "Ольга", "Σοφία", "Łukasz"),
    *("Anne-Marie", "D'Angelo", "Øyvind", "प्रिया", "Nguyễn", "Ana"),
)
LAST_NAMES = (
    *("Mason", "García", "Müller", "Yılmaz", "田中", "王", "김", "الأحمد", "כהן", "Иванова", "O'Neil"),  # noqa: RUF001
    *('"Smith"', "Back\\slash", "van der Berg", "Çelik", "शर्मा", "Trần"),
)
PRODUCTS = (
    *("Linen Shirt", "Café au lait ☕", "抹茶セット", "قميص", "חולצה", "Rain Coat 🧥", 'The "Classic" Mug'),
    *("Wool Socks (2×)", "Tabs\tand\nnewlines", "Emoji family 👩‍👩‍👧‍👦", "Crème brûlée", "Naïve & Co. </script>"),  # noqa: RUF001
)
PLACES: tuple[tuple[str, str, str, str, float, float], ...] = (
    ("New York", "NY", "United States", "America/New_York", 40.7128, -74.006),
    ("São Paulo", "SP", "Brazil", "America/Sao_Paulo", -23.5505, -46.6333),
    ("東京", "東京都", "Japan", "Asia/Tokyo", 35.6762, 139.6503),
    ("İzmir", "İzmir", "Türkiye", "Europe/Istanbul", 38.4237, 27.1428),
    ("القاهرة", "القاهرة", "Egypt", "Africa/Cairo", 30.0444, 31.2357),
    ("München", "Bayern", "Germany", "Europe/Berlin", 48.1351, 11.582),
)
LOCALES = ("en-US", "pt-BR", "ja-JP", "tr-TR", "ar-EG", "de-DE", None)
HUGE = (2**63, 2**64 + 1, 10**30, -(2**70))
ADJECTIVES = ("Spring", "Winter", "Flash", "VIP", "Weekend", "Birthday", "Última", "新年", "Black Friday 🖤")
NOUNS = ("Sale", "Newsletter", "Launch", "Reminder", "Survey", "セール", "Offer \\o/", 'the "Big" One')

_FILLER = "".join(Random("prose").choices("etaoinshrdlu   ", k=20_000))  # `filler` cuts texts out of it
_ALPHANUMERIC = string.ascii_letters + string.digits
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def short_id(random: Random) -> str:
    """Return an ID of six characters, like those of metrics, lists, flows and templates."""
    return "".join(random.choices(_ALPHANUMERIC, k=6))


def ulid(random: Random, seconds: int) -> str:
    """Return a ULID, like those of profiles and campaigns: 26 characters that begin with a time."""
    number = (seconds * 1000 + random.randrange(1000)) << 80 | random.getrandbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -5, -5))


def uuid_text(random: Random) -> str:
    """Return a UUID."""
    text = f"{random.getrandbits(128):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def title(random: Random) -> str:
    """Return a title like that of a campaign."""
    return f"{random.choice(ADJECTIVES)} {random.choice(NOUNS)} {random.randrange(1, 1000)}"


def filler(random: Random, length: int) -> str:
    """Return a text of a given length."""
    at = random.randrange(len(_FILLER) - length)
    return _FILLER[at : at + length]


def or_null(random: Random, value: Any, share: float = 0.15) -> Any:
    """Return the value, or None with a probability of `share`."""
    return None if random.random() < share else value
