"""The brand of the account; since revision 2026-10-15."""

from __future__ import annotations

from functools import partial

from klaviyo_simulator.declarations import Area, Endpoint, Relationship, ResourceType, Tier, tree

_LINK = "color font_family font_size font_style font_weight letter_spacing text_decoration"
_TEXT = f"text({_LINK})"
_HEADINGS = " ".join(f"h{level}_text({_LINK})" for level in range(1, 5))

_brand = partial(Endpoint, tier=Tier.M, scopes=("brands:read",))

AREA = Area(
    types=(
        ResourceType(
            "brand-button",
            "/api/brand-buttons",
            tree(f"""
            is_primary name preview_page_hex
            border(border_color border_style border_width is_border_active)
            spacing(padding_bottom padding_left padding_right padding_top)
            style(background_color border_radius box_shadow is_shadow_active) {_TEXT}
        """),
        ),
        ResourceType("brand-color", "/api/brand-colors", tree("colors name")),
        ResourceType(
            "brand-logo",
            "/api/brand-logos",
            tree("alt_text height link_url name width"),
            {"image": Relationship("image", many=False)},
        ),
        ResourceType("brand-social-group", "/api/brand-social-groups", tree("name social_links")),
        ResourceType(
            "brand-email-default",
            "/api/brand-email-defaults",
            tree(f"""
            body(background_color body_background_color {_HEADINGS} link_text({_LINK}) {_TEXT})
            footer(background_color link_text({_LINK}) social_group_color {_TEXT})
            header(background_color link_text({_LINK}) links logo_max_width)
        """),
            {
                "brand-button": Relationship("brand-button", many=False),
                "brand-logo": Relationship("brand-logo", many=False),
                "brand-social-group": Relationship("brand-social-group", many=False),
            },
        ),
        ResourceType("brand-voice", "/api/brand-voice", tree("language_patterns tone_descriptors version")),
    ),
    endpoints=(
        _brand(path="/api/brand-buttons", type="brand-button"),
        _brand(path="/api/brand-colors", type="brand-color"),
        _brand(path="/api/brand-logos", type="brand-logo", includes=frozenset({"image"})),
        _brand(path="/api/brand-social-groups", type="brand-social-group"),
        _brand(
            path="/api/brand-email-defaults",
            type="brand-email-default",
            includes=frozenset({"brand-button", "brand-logo", "brand-social-group"}),
        ),
        _brand(path="/api/brand-voice/{id}", type="brand-voice"),
    ),
)
