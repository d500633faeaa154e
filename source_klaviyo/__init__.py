"""Airbyte source connector for Klaviyo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from source_klaviyo.source import SourceKlaviyo

__all__ = ["SourceKlaviyo"]


def __getattr__(name: str) -> Any:
    """Import the source when it is asked for: it brings in the whole CDK, which `spec` does without."""
    if name == "SourceKlaviyo":
        from source_klaviyo.source import SourceKlaviyo  # noqa: PLC0415

        return SourceKlaviyo
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
