"""The connector's memory, measured from outside: limited for all sizes of records and all consumers.

The server is not the simulator, since Klaviyo's rules do not matter here. Peaks of resident memory are in MB.
"""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import ROOT
from integration_tests.heavy import MB, Heavy, watch

if TYPE_CHECKING:
    from pathlib import Path

SLOW = 4 * MB
"""Bytes a second that a slow destination takes."""
SECONDS = 6.0
"""The time for which to watch a read that does not end by itself."""
KB = 1_000


@pytest.mark.parametrize(
    ("size", "rate", "settings", "most"),
    [
        pytest.param(5 * KB, None, {}, 200, id="5 KB"),
        pytest.param(5 * KB, SLOW, {}, 200, id="5 KB, slow destination"),
        pytest.param(20 * KB, SLOW, {}, 200, id="20 KB, slow destination"),
        pytest.param(100 * KB, None, {}, 256, id="100 KB"),
        pytest.param(100 * KB, SLOW, {}, 256, id="100 KB, slow destination"),
        pytest.param(500 * KB, None, {"num_workers": 1}, 256, id="500 KB, one worker"),
        pytest.param(1_000 * KB, None, {}, 400, id="1 MB"),
        pytest.param(1_000 * KB, SLOW, {}, 400, id="1 MB, slow destination"),
        pytest.param(10_000 * KB, None, {}, 400, id="10 MB"),
    ],
)
def test_records_of_any_size_are_read_in_limited_memory(
    tmp_path: Path, size: int, rate: float | None, settings: dict[str, Any], most: float
) -> None:
    events = 800 * MB // size
    with Heavy(events=events, size=size) as server:
        seen = watch(server, tmp_path, seconds=SECONDS if rate else 60.0, rate=rate, **settings)
    assert seen.errors == []
    assert seen.records == events if rate is None else seen.records > 0
    assert seen.peak < most


def test_page_sizes_adapt_to_record_sizes_and_each_record_comes_once(tmp_path: Path) -> None:
    def size(place: int) -> int:
        return 300 * KB if 12_000 <= place < 12_500 else 20 * KB if place > 30_000 else KB

    with Heavy(events=33_000, size=size) as server:
        seen = watch(server, tmp_path, keep=True)
    assert seen.code == 0
    assert sorted(seen.ids) == list(range(33_000))
    assert seen.peak < 256
    assert min(server.sizes) < 20
    assert max(server.sizes[len(server.sizes) // 2 :]) > 150  # as large again as records of 20 KB allow
    assert len(server.sizes) < 150


@pytest.mark.parametrize("fault", ["breaks_off", "damaged"])
def test_responses_that_keep_failing_do_not_fill_the_memory(tmp_path: Path, fault: str) -> None:
    spoil = lambda number, _size: fault if number % 2 else None  # noqa: E731
    with Heavy(size=7 * KB, spoil=spoil) as server:
        seen = watch(server, tmp_path, seconds=SECONDS)
    assert seen.records > 0
    assert seen.peak < 140


def test_a_million_events_of_one_second_take_no_more_memory_than_others(tmp_path: Path) -> None:
    with Heavy(events=1_000_000, size=120, seconds=0) as server:
        seen = watch(server, tmp_path)
    assert (seen.code, seen.records) == (0, 1_000_000)
    assert seen.peak < 115


READ_MANY_PAGES = """
from integration_tests.heavy import memory_of
from source_klaviyo.api.client import KlaviyoClient
from source_klaviyo.api.page import Page
from source_klaviyo.config import Config
from source_klaviyo.streams.profiles import Profiles
import msgspec, os

class Endless(Profiles):
    name = "profiles"
    def read_pages(self, stream_slice):
        for number in range(400_000):
            resource = msgspec.Raw(b'{"id":"%d"}' % number)
            yield Page([resource], [b"null"], f"https://a.klaviyo.com/api/profiles?{number:0300}")

stream = Endless(Config.parse({"api_key": "pk_demo"}), KlaviyoClient("pk_demo"), None)
before = memory_of(os.getpid())
assert sum(1 for _ in stream.pages(dict)) == 400_000
print(memory_of(os.getpid()) - before)
"""


def test_forty_million_profiles_in_one_slice_take_no_memory_beyond_their_pages() -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ_MANY_PAGES], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert float(done.stdout) < 5


@pytest.mark.parametrize("fault", ["bomb", "endless"])
def test_an_endless_response_is_an_error_that_names_stream_and_limit(tmp_path: Path, fault: str) -> None:
    with Heavy(spoil=lambda *_: fault) as server:
        seen = watch(server, tmp_path, seconds=60)
    assert seen.code == 1
    assert seen.peak < 256
    assert re.search(r"stream events is too large: .* larger than 64 MB", seen.errors[0])
    assert list(dict.fromkeys(server.sizes)) == [1000, 100, 10, 1]


@pytest.mark.parametrize("fault", ["bomb", "endless"])
def test_a_single_endless_response_loses_no_record(tmp_path: Path, fault: str) -> None:
    """With one worker, so that pages of the usual size follow the smaller ones."""
    with Heavy(events=6_000, spoil=lambda number, _: fault if number == 3 else None) as server:
        seen = watch(server, tmp_path, seconds=60, keep=True, num_workers=1)
    assert seen.code == 0
    assert sorted(seen.ids) == list(range(6_000))
    assert server.sizes[-1] == 1000


def test_large_events_of_the_same_second_are_read_once(tmp_path: Path) -> None:
    """A slice restarts with another page size if that repeats few records, and these are dropped."""
    with Heavy(events=2_000, size=lambda place: 200 * KB if place % 500 < 100 else KB, seconds=0.25) as server:
        seen = watch(server, tmp_path, keep=True)
    assert seen.code == 0
    assert sorted(seen.ids) == list(range(2_000))
    assert len(set(server.sizes)) > 2
