"""Collections that list some of their records only if a filter requests them."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from source_klaviyo.api.errors import BadRequest
from source_klaviyo.api.page import NULL
from source_klaviyo.api.resource import members
from source_klaviyo.streams.base import KlaviyoStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import msgspec

    from source_klaviyo.api.errors import KlaviyoError
    from source_klaviyo.api.page import Page


class Flagged(KlaviyoStream, ABC):
    """A collection that leaves some of its records out unless a filter on a true-or-false attribute requests them.

    Each value of the attribute is a query. If Klaviyo rejects the filter, one query reads all that it lists.

    Attributes:
        flag: the attribute, as the filter calls it.
        flag_path: where it lies below the attributes, dotted; as `flag` if left out.
        flags: its value in each query, as the filter takes it; the first is what Klaviyo lists by itself.
    """

    flag: ClassVar[str]
    flag_path: ClassVar[str] = ""
    flags: ClassVar[Mapping[str, str]]
    _filters_flag = True

    @override
    def conditions(self, stream_slice: Mapping[str, Any]) -> list[str]:
        flag = [f"equals({self.flag},{self.flags[stream_slice['query']]})"] if self._filters_flag else []
        return [*flag, *super().conditions(stream_slice)]

    @override
    def read_pages(self, stream_slice: Mapping[str, Any]) -> Iterator[Page]:
        """Yield the pages of a query; only the first query has any if Klaviyo rejects the filter."""
        if self._filters_flag or stream_slice["query"] == self.queries[0]:
            yield from super().read_pages(stream_slice)

    @override
    def fall_back(self, error: KlaviyoError) -> bool:
        if self._filters_flag and isinstance(error, BadRequest) and self.flag in error.parameter:
            self._filters_flag = False
            self.logger.warning(
                "Klaviyo refuses to filter stream %s by %s; continuing with the records that it lists without. %s",
                self.name,
                self.flag,
                error,
            )
            return True
        return super().fall_back(error)

    @override
    def transform(self, resource: msgspec.Raw, stream_slice: Mapping[str, Any]) -> msgspec.Raw | None:
        """Leave a record to the query that it belongs to, should Klaviyo accept the filter and not apply it."""
        value: msgspec.Raw = members(resource).get("attributes", NULL)
        for name in (self.flag_path or self.flag).split("."):
            value = members(value).get(name, NULL)
        others = {flag for query, flag in self.flags.items() if query != stream_slice["query"]}
        return None if self._filters_flag and bytes(value).decode() in others else resource
