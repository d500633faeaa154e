"""What messages are made of: templates, blocks, images, feeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record

if TYPE_CHECKING:
    from klaviyo_simulator.data.birth import Birth

_DISPLAY = {"show_on": "all", "visible_check": None, "content_repeat": None}


def template(birth: Birth) -> Record:
    """One template."""
    random = birth.random
    kind = random.choice(("SYSTEM_DRAGGABLE", "SIMPLE", "CODE", "USER_DRAGGABLE"))
    html = f"<html><body>\n<h1>{random.choice(words.PRODUCTS)}</h1>{words.filler(random, 600)}</body></html>"
    body = {"id": "1", "properties": {"id": None, "css_class": None}, "styles": {"width": 600}, "sections": []}
    definition: dict[str, Any] = {"id": "1", "template_id": None, "body": body, "styles": []}
    attributes = {
        "name": words.title(random),
        "editor_type": kind,
        "html": html,
        "text": words.or_null(random, words.filler(random, 200)),
        "amp": words.or_null(random, "", 0.9),
        **birth.times(),
        "definition": definition if kind == "SYSTEM_DRAGGABLE" else None,
        "screenshot_url": f"https://images.example.com/{birth.number}.png" if birth.number % 4 else None,
    }
    return Record(words.short_id(random), attributes)


def universal_content(birth: Birth) -> Record:
    """One block that many templates share."""
    random = birth.random
    text = {"content": random.choice(words.PRODUCTS), "display_options": _DISPLAY}
    block: dict[str, Any] = random.choice(
        (
            {"content_type": "block", "type": "html", "data": text},
            {
                "content_type": "block",
                "type": "text",
                "data": {**text, "styles": {"color": "#000", "line_height": 1.5}},
            },
            {"content_type": "block", "type": "video", "data": None},
            {"content_type": "block", "type": "social", "data": "icons"},
        )
    )
    status = random.choice(("completed", "failed", "generating", "never_generated", "not_renderable", "stale"))
    attributes = {
        "name": words.title(random),
        "definition": words.or_null(random, block, 0.1),
        **birth.times(),
        "screenshot_status": status,
        "screenshot_url": f"https://images.example.com/{birth.number}.png" if status == "completed" else "",
    }
    return Record(words.ulid(random, birth.created), attributes)


def image(birth: Birth) -> Record:
    """One image."""
    random = birth.random
    kind = random.choice(("jpeg", "png", "gif"))
    hidden = birth.number % 5 == 4
    attributes = {
        # PATCH replaces all attributes, so an image that is hidden with it loses its name.
        "name": None if hidden and birth.number % 2 else f"{random.choice(words.PRODUCTS)} {birth.number}",
        "image_url": f"https://images.example.com/{birth.number}.{kind}",
        "format": kind,
        "size": random.randrange(1, 5_000_000),
        "hidden": hidden,
        "updated_at": birth.times_at()["updated_at"],
    }
    return Record(str(100_000 + birth.number * 3), attributes)


def web_feed(birth: Birth) -> Record:
    """One web feed."""
    random = birth.random
    attributes = {
        "name": f"feed_{birth.number}_ürünler",
        "url": f"https://shop.example.com/feed/{birth.number}?q=%C3%BC&x=1",
        "request_method": random.choice(("get", "post")),
        "content_type": random.choice(("json", "xml")),
        **birth.times(),
        "status": None if birth.number % 3 == 2 else random.choice(("ok", "disabled", "refreshing")),
    }
    return Record(words.ulid(random, birth.created), attributes)
