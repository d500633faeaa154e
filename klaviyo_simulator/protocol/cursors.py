"""Page cursors: opaque, bound to their query, good for a while, and blind to what changes around them.

A cursor holds the place behind the last record that was sent (its sort key and its id), never a count of
records; so records that come, go or change do not make a reader miss or repeat any of the others.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from klaviyo_simulator.protocol.errors import invalid_cursor

Place = tuple[Any, ...]


class Cursors:
    """Writes and reads page cursors; those of another simulator do not fit."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def write(self, query: str, place: Place, now: float) -> str:
        """The cursor for a query that goes on behind a place."""
        content = json.dumps([int(now), place], separators=(",", ":"))
        sealed = f"next::{self._seal(query, content)}::{content}"
        return base64.urlsafe_b64encode(sealed.encode()).decode().rstrip("=")

    def read(self, query: str, cursor: str, now: float, life: float) -> Place:
        """The place behind which a query goes on."""
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            direction, seal, content = base64.urlsafe_b64decode(padded).decode().split("::", 2)
            if direction != "next" or seal != self._seal(query, content):
                raise invalid_cursor()
            made, place = json.loads(content)
        except (binascii.Error, ValueError) as error:
            raise invalid_cursor() from error
        if now - made > life:
            raise invalid_cursor()
        return tuple(tuple(part) if isinstance(part, list) else part for part in place)

    def _seal(self, query: str, content: str) -> str:
        return hashlib.blake2s(f"{query}\n{content}".encode(), key=self._secret[:32], digest_size=8).hexdigest()
