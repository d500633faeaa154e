"""The brand of an account: what its messages look and sound like. Nothing tells when any of it changed."""

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
    """GET /brand-buttons."""

    resource = "brand-buttons"


class BrandColors(_Brand):
    """GET /brand-colors: palettes."""

    resource = "brand-colors"


class BrandLogos(_Brand):
    """GET /brand-logos, with the IDs of their images."""

    resource = "brand-logos"
    optional_params = {"include": "image", "fields[image]": "name"}


class BrandSocialGroups(_Brand):
    """GET /brand-social-groups: links to social media."""

    resource = "brand-social-groups"


class BrandEmailDefaults(_Brand):
    """GET /brand-email-defaults, with the IDs of the button, logo and social group that they use."""

    resource = "brand-email-defaults"
    optional_params = {
        "include": "brand-button,brand-logo,brand-social-group",
        "fields[brand-button]": "name",
        "fields[brand-logo]": "name",
        "fields[brand-social-group]": "name",
    }


class BrandVoice(OfAccount, _Brand):
    """GET /brand-voice/{id}."""

    resource = "brand-voice/{account_id}"
    scope = "accounts:read brands:read"
