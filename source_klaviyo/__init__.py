"""Airbyte source connector for Klaviyo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from source_klaviyo.source import SourceKlaviyo

__all__ = ["SourceKlaviyo"]


def __getattr__(name: str) -> Any:
    """Import the source on first use: it imports the whole CDK, which `spec` does not need."""
    if name == "SourceKlaviyo":
        from source_klaviyo.source import SourceKlaviyo  # noqa: PLC0415

        return SourceKlaviyo
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
