"""The resource types: their attributes, their relationships, and where they live."""

from __future__ import annotations

from klaviyo_simulator.areas import REVISION, REVISIONS

BY_REVISION = {
    revision: {declared.name: declared for area in areas for declared in area.types}
    for revision, areas in REVISIONS.items()
}
"""The resource types of each revision by their names."""
TYPES = BY_REVISION[REVISION]
"""Those of the revision that is meant where none is named."""
