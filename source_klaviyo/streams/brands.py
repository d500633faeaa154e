"""Brand: what messages look and sound like. No date says when any of it changed."""

from __future__ import annotations

from abc import ABC

from source_klaviyo.api.budget import M
from source_klaviyo.api.client import OCTOBER_2026
from source_klaviyo.streams.account import OfAccount
from source_klaviyo.streams.base import Snapshot


class _Brand(Snapshot, ABC):
    """A part of the brand; collections come in one page."""

    revision = OCTOBER_2026
    tier = M
    scope = "brands:read"


class BrandButtons(_Brand):
    """Brand button."""

    resource = "brand-buttons"


class BrandColors(_Brand):
    """Brand palette."""

    resource = "brand-colors"


class BrandLogos(_Brand):
    """Brand logo. Holds the ID of the image."""

    resource = "brand-logos"
    optional_params = {"include": "image", "fields[image]": "name"}


class BrandSocialGroups(_Brand):
    """Brand social group."""

    resource = "brand-social-groups"


class BrandEmailDefaults(_Brand):
    """Defaults of emails. Holds the IDs of button, logo and social group."""

    resource = "brand-email-defaults"
    optional_params = {
        "include": "brand-button,brand-logo,brand-social-group",
        "fields[brand-button]": "name",
        "fields[brand-logo]": "name",
        "fields[brand-social-group]": "name",
    }


class BrandVoice(OfAccount, _Brand):
    """Brand voice. At most one. Holds `account_id`."""

    resource = "brand-voice/{account_id}"
    scope = "accounts:read brands:read"
