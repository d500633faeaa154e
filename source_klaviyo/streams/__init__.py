"""The streams, one file for each area of Klaviyo.

A stream is a class that declares its path, rate limit and scope; nothing else registers it.
"""

from __future__ import annotations

from importlib import import_module
from inspect import isclass
from operator import attrgetter
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from source_klaviyo.streams.base import KlaviyoStream

if TYPE_CHECKING:
    from collections.abc import Iterator


def _declared() -> Iterator[type[KlaviyoStream]]:
    """Yield the streams that the modules of this package declare, once for each module that names them."""
    for module in iter_modules(__path__):
        for name, value in vars(import_module(f"{__name__}.{module.name}")).items():
            if not name.startswith("_") and isclass(value) and issubclass(value, KlaviyoStream):
                complete = all(hasattr(value, attribute) for attribute in ("resource", "tier", "scope"))
                if complete and value.is_selectable:
                    yield value


STREAMS: tuple[type[KlaviyoStream], ...] = tuple(sorted(set(_declared()), key=attrgetter("__name__")))
"""All streams that users can select, in the order of their classes' names."""

__all__ = ["STREAMS", "KlaviyoStream"]
