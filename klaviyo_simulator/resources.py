"""The resource types: their attributes, their relationships, and where they live."""

from __future__ import annotations

from klaviyo_simulator.areas import AREAS

TYPES = {declared.name: declared for area in AREAS for declared in area.types}
"""Every resource type by its name."""
