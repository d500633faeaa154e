"""What messages are made of: templates, blocks, images, feeds."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.areas.common import AT_OR_BETWEEN, BETWEEN, ONE_OR_SEVERAL, alike
from klaviyo_simulator.declarations import Area, Endpoint, Filter, Page, ResourceType, Tier, tree

_BLOCKS = (
    *("button", "coupon", "drop_shadow", "header", "horizontal_rule", "html", "image", "product"),
    *("review", "social", "spacer", "split", "table", "text", "unsupported", "video"),
)

_template = partial(Endpoint, type="template", tier=Tier.L, scopes=("templates:read",))
_template_universal_content = partial(
    Endpoint, type="template-universal-content", tier=Tier.L, scopes=("templates:read",)
)

AREA = Area(
    types=(
        ResourceType(
            "template",
            "/api/templates",
            tree("amp created definition editor_type html name text updated"),
            open_fields=frozenset({"definition"}),
            hidden=frozenset({"definition", "screenshot_url"}),
        ),
        ResourceType(
            "template-universal-content",
            "/api/template-universal-content",
            tree("created definition name screenshot_status screenshot_url updated"),
            open_fields=frozenset({"definition"}),
        ),
        ResourceType("image", "/api/images", tree("format hidden image_url name size updated_at")),
        ResourceType("web-feed", "/api/web-feeds", tree("content_type created name request_method status updated url")),
    ),
    endpoints=(
        _template(
            path="/api/templates",
            page=Page(10, 10),
            filters={
                "id": Filter.of("str: any[] eq[]"),
                "name": Filter.of("str: contains eq any[] eq[]"),
                **alike(AT_OR_BETWEEN, "created", "updated"),
            },
            sorts=frozenset({"created", "id", "name", "updated"}),
            additional=frozenset({"definition"}),
        ),
        _template(path="/api/templates/{id}", additional=frozenset({"definition"})),
        _template_universal_content(
            path="/api/template-universal-content",
            page=Page(20, 100),
            filters={
                **alike(ONE_OR_SEVERAL, "id", "name"),
                **alike(BETWEEN, "created", "updated"),
                "definition.content_type": Filter.of("str: eq", choices=("block", "section")),
                "definition.type": Filter.of("str: eq", choices=_BLOCKS),
            },
            sorts=frozenset({"created", "id", "name", "updated"}),
        ),
        Endpoint(
            path="/api/images",
            type="image",
            tier=Tier.M,
            scopes=("images:read",),
            page=Page(20, 100),
            filters={
                "id": Filter.of(ONE_OR_SEVERAL),
                "updated_at": Filter.of(BETWEEN),
                "format": Filter.of(ONE_OR_SEVERAL),
                "name": Filter.of("str: contains ew eq sw any[] eq[]"),
                "size": Filter.of("num: ge gt le lt"),
                "hidden": Filter.of("bool: eq any[] eq[]"),
            },
            unless_filtered={"hidden": False},
            sorts=frozenset({"format", "id", "name", "size", "updated_at"}),
        ),
        Endpoint(
            path="/api/web-feeds",
            type="web-feed",
            tier=Tier.XS,
            scopes=("web-feeds:read",),
            page=Page(5, 20),
            filters={
                "name": Filter.of("str: contains eq any[] eq[]"),
                "created": Filter.of(BETWEEN),
                "updated": Filter.of(BETWEEN),
            },
            sorts=frozenset({"created", "name", "updated"}),
        ),
    ),
)
