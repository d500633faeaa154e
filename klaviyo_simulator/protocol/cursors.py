"""Page cursors: opaque, bound to their query, and valid for a while.

A cursor holds the sort key and ID of the last record that was sent, never a count of records. So records that are
added, deleted or changed while a client pages do not make it miss or repeat others.
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
    """Page cursors, signed so that those of another simulator are invalid."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def write(self, query: str, place: Place, now: float) -> str:
        """Return the cursor of the page that follows a place."""
        content = json.dumps([int(now), place], separators=(",", ":"))
        signed = f"next::{self._sign(query, content)}::{content}"
        return base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")

    def read(self, query: str, cursor: str, now: float, life: float) -> Place:
        """Return the place that the page of a cursor follows."""
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            direction, signature, content = base64.urlsafe_b64decode(padded).decode().split("::", 2)
            if direction != "next" or signature != self._sign(query, content):
                raise invalid_cursor()
            made, place = json.loads(content)
        except (binascii.Error, ValueError) as error:
            raise invalid_cursor() from error
        if now - made > life:
            raise invalid_cursor()
        return tuple(tuple(part) if isinstance(part, list) else part for part in place)

    def _sign(self, query: str, content: str) -> str:
        return hashlib.blake2s(f"{query}\n{content}".encode(), key=self._secret[:32], digest_size=8).hexdigest()
