"""Klaviyo's own OpenAPI document, read in place where it lies beside the project."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).parents[2] / "shared" / "klaviyo" / "openapi-2026-07-15.json.gz"
needed = pytest.mark.skipif(not PATH.exists(), reason="Klaviyo's OpenAPI document is not beside the project")


@cache
def _content() -> dict[str, Any]:
    return dict(json.loads(gzip.decompress(PATH.read_bytes()))) if PATH.exists() else {"paths": {}, "components": {}}


def paths() -> dict[str, dict[str, Any]]:
    """The operations, by path and method; none where there is no document."""
    return dict(_content()["paths"])


def schemas() -> dict[str, dict[str, Any]]:
    """The named schemas."""
    return dict(_content()["components"]["schemas"])


def parameters(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schemas of an operation's parameters, by name."""
    return {one["name"]: one["schema"] for one in operation["parameters"]}
