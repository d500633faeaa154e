"""Klaviyo's OpenAPI document of each revision, read in place where they lie beside the project."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any

import pytest

from tools.schemas.__main__ import DOCUMENTS

needed = pytest.mark.skipif(
    not all(path.exists() for path in DOCUMENTS.values()), reason="Klaviyo's documents are not beside the project"
)


@cache
def _content(revision: str) -> dict[str, Any]:
    path = DOCUMENTS[revision]
    return dict(json.loads(gzip.decompress(path.read_bytes()))) if path.exists() else {"paths": {}, "components": {}}


def paths(revision: str) -> dict[str, dict[str, Any]]:
    """The operations, by path and method; none where there is no document."""
    return dict(_content(revision)["paths"])


def schemas(revision: str) -> dict[str, dict[str, Any]]:
    """The named schemas."""
    return dict(_content(revision)["components"]["schemas"])


def parameters(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schemas of an operation's parameters, by name."""
    return {one["name"]: one["schema"] for one in operation["parameters"]}
