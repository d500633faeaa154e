"""The body of a response: read whole, within a limit, and no faster than there is memory for it."""

from __future__ import annotations

import gzip
import io
import time
import tracemalloc
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from typing_extensions import override

from source_klaviyo.api import transport
from source_klaviyo.api.body import CHUNK_BYTES, COPIES, read_body
from source_klaviyo.api.errors import DamagedResponse, ResponseTooLarge
from source_klaviyo.api.memory import Hold, MemoryBudget

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 4_000_000
BODY = bytes(range(256)) * 6_000  # in several pieces


def response(content: bytes, *, encoding: str | None = None, length: int | None = None) -> urllib3.HTTPResponse:
    headers = {"Content-Encoding": encoding} if encoding else {}
    if length is not None:
        headers["Content-Length"] = str(length)
    return urllib3.HTTPResponse(io.BytesIO(content), headers, 200, preload_content=False)


class Watched(Hold):
    """A hold that knows the most that it was."""

    most = 0

    def __init__(self) -> None:
        super().__init__(MemoryBudget(), 0)

    @override
    def resize(self, size: int) -> None:
        self.most = max(self.most, size)
        super().resize(size)


def read(raw: urllib3.HTTPResponse, hold: Hold | None = None, expected: int = 0, most: int = MOST) -> bytes:
    return read_body(raw, hold or Watched(), expected, most, seconds=10.0, idle=10.0)


def deflated(content: bytes) -> bytes:
    pack = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return pack.compress(content) + pack.flush()


ENCODINGS: dict[str, tuple[str | None, Callable[[bytes], bytes]]] = {
    "plain": (None, bytes),
    "gzip": ("gzip", gzip.compress),
    "gzip in two members": ("gzip", lambda body: gzip.compress(body[:1000]) + gzip.compress(body[1000:])),
    "zlib": ("deflate", zlib.compress),
    "deflate": ("deflate", deflated),
}
each_encoding = pytest.mark.parametrize(("encoding", "encode"), ENCODINGS.values(), ids=ENCODINGS)


@each_encoding
@pytest.mark.parametrize("length", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, len(BODY)])
@pytest.mark.parametrize("expected", [0, 1_000, 10_000_000])
def test_a_body_of_any_length_is_read_whole(
    encoding: str | None, encode: Callable[[bytes], bytes], length: int, expected: int
) -> None:
    content = encode(BODY[:length])
    raw = response(content, encoding=encoding, length=len(content))
    assert read(raw, expected=expected, most=20_000_000) == BODY[:length]


@each_encoding
def test_a_body_may_be_as_large_as_the_limit_and_no_larger(
    encoding: str | None, encode: Callable[[bytes], bytes]
) -> None:
    assert read(response(encode(BODY), encoding=encoding), most=len(BODY)) == BODY
    with pytest.raises(ResponseTooLarge, match="larger than"):
        read(response(encode(BODY), encoding=encoding), most=len(BODY) - 1)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_decompression_bomb_takes_no_more_memory_than_the_limit(encoding: str) -> None:
    bomb = zlib.compress(b" " * 500_000_000) if encoding == "deflate" else gzip.compress(b" " * 500_000_000)
    tracemalloc.start()
    with pytest.raises(ResponseTooLarge):
        read(response(bomb, encoding=encoding))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * MOST


def test_a_body_without_end_is_read_up_to_the_limit() -> None:
    class Endless(io.RawIOBase):
        given = 0

        @override
        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b" " * size

    endless = Endless()
    with pytest.raises(ResponseTooLarge):
        read(urllib3.HTTPResponse(endless, {}, 200, preload_content=False))
    assert endless.given <= MOST + CHUNK_BYTES


@pytest.mark.parametrize(
    "raw",
    [
        response(BODY[:-1], length=len(BODY)),
        response(b"", length=len(BODY)),
        response(b"no gzip", encoding="gzip"),
    ],
    ids=["cut off", "nothing", "no gzip"],
)
def test_a_body_that_breaks_off_is_damaged(raw: urllib3.HTTPResponse) -> None:
    with pytest.raises(DamagedResponse, match=r"broke off while it was read \(\w+\)\.$"):
        read(raw)


def test_memory_is_held_before_it_is_used() -> None:
    hold, seen = Watched(), []

    class Body(io.BytesIO):
        @override
        def read(self, size: int | None = -1) -> bytes:
            seen.append((hold.size, self.tell()))
            return super().read(size)

    read(urllib3.HTTPResponse(Body(BODY), {}, 200, preload_content=False), hold)
    assert len(seen) > len(BODY) / CHUNK_BYTES
    assert all(held >= COPIES * (have + CHUNK_BYTES) for held, have in seen)
    assert hold.most <= COPIES * (len(BODY) + 2 * CHUNK_BYTES)


def test_a_body_of_the_expected_size_is_read_in_one_chunk() -> None:
    sizes = []

    class Body(io.BytesIO):
        @override
        def read(self, size: int | None = -1) -> bytes:
            sizes.append(size)
            return super().read(size)

    read(urllib3.HTTPResponse(Body(BODY), {}, 200, preload_content=False), expected=len(BODY) + 1)
    assert sizes[0] == len(BODY) + 1
    assert len(sizes) == 2


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds to the deadline at each chunk."""
    seen: list[float] = []

    def receiving(seconds: float, *limits: Any) -> Any:
        seen.append(seconds)
        return original(seconds, *limits)

    original = transport.receiving
    monkeypatch.setattr("source_klaviyo.api.body.receiving", receiving)
    return seen


def test_waits_for_memory_do_not_shorten_the_time_to_the_deadline(left: list[float]) -> None:
    class Slow(Watched):
        @override
        def resize(self, size: int) -> None:
            time.sleep(0.1)
            super().resize(size)

    assert read(response(BODY), Slow()) == BODY
    assert len(left) > 5
    assert left[-1] > 9.9


def test_all_chunks_share_one_deadline(left: list[float]) -> None:
    class Slow(io.BytesIO):
        @override
        def read(self, size: int | None = -1) -> bytes:
            time.sleep(0.1)
            return super().read(size)

    assert read(urllib3.HTTPResponse(Slow(BODY), {}, 200, preload_content=False)) == BODY
    assert len(left) > 5
    assert all(one - other >= 0.1 for one, other in pairwise(left))
