"""The brand of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_simulator.data.birth import Birth
    from klaviyo_simulator.data.tables import RecordTable

_TEXT: dict[str, Any] = {
    "color": "#222222",
    "font_family": "'Helvetica Neue', Arial",
    "font_size": 14,
    "font_style": "normal",
    "font_weight": 400,
    "letter_spacing": "0",
    "text_decoration": "none",
}


def button(birth: Birth) -> Record:
    """One button."""
    random = birth.random
    attributes = {
        "name": words.title(random),
        "is_primary": birth.number == 0,
        "style": {"background_color": "#000000", "border_radius": 4, "box_shadow": "none", "is_shadow_active": False},
        "border": {"border_color": "#000", "border_style": "solid", "border_width": 1, "is_border_active": True},
        "spacing": {f"padding_{side}": 8 for side in ("top", "right", "bottom", "left")},
        "text": {**_TEXT, "letter_spacing": 2},
        "preview_page_hex": "#ffffff" if birth.number == 0 else None,
    }
    return Record(words.ulid(random, birth.created), attributes)


def color(birth: Birth) -> Record:
    """One palette."""
    colors = [{"hex": "#ff5733", "name": "Ateş 🔥"}, {"hex": "#000000", "name": "黒"}]
    attributes = {"name": words.or_null(birth.random, f"Palette {birth.number}"), "colors": colors[: birth.number % 3]}
    return Record(words.ulid(birth.random, birth.created), attributes)


def logo(birth: Birth) -> Record:
    """One logo."""
    first = birth.number == 0
    attributes = {
        "name": f"Logo {birth.number}",
        "width": 200 if first else None,
        "height": 60 if first else None,
        "alt_text": "Ünlü & Co." if first else None,
        "link_url": "https://shop.example.com" if first else None,
    }
    return Record(words.ulid(birth.random, birth.created), attributes, {"image": birth.pick("image")})


def social_group(birth: Birth) -> Record:
    """One group of links to social media."""
    links = [
        {"platform": "x_twitter", "link_url": "https://x.com/shop"},
        {
            "platform": "custom",
            "link_url": "https://shop.example.com/blog",
            "asset_id": 42,
            "asset_url": "https://images.example.com/42.png",
            "width": 32,
            "height": None,
        },
    ]
    return Record(words.ulid(birth.random, birth.created), {"name": "Footer", "social_links": links})


def email_default(identity: str, records: Mapping[str, RecordTable]) -> Record:
    """The defaults of the account's emails, which have the account's id."""
    headings = {f"h{level}_text": _TEXT for level in range(1, 5)}
    body = {"background_color": "#fff", "body_background_color": "#eee", "text": _TEXT, "link_text": _TEXT}
    attributes = {
        "body": {**body, **headings},
        "header": {
            "background_color": "#fff",
            "links": [{"text": "Neu", "url": "https://shop.example.com/neu"}],
            "link_text": {**_TEXT, "font_family": None, "font_size": None},
            "logo_max_width": None,
        },
        "footer": {"background_color": "#fff", "text": _TEXT, "link_text": _TEXT, "social_group_color": "black"},
    }
    names = ("brand-button", "brand-logo", "brand-social-group")
    return Record(identity, attributes, {name: next(iter(records[name].ids()), None) for name in names})


def voice(identity: str) -> Record:
    """How the account's messages sound."""
    entry = {"name": "Warm", "description": "Wie unter Freunden", "user_modified": True}
    attributes = {"version": "v1", "tone_descriptors": [entry], "language_patterns": []}
    return Record(identity, attributes)
