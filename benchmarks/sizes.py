"""`sizes`: the time of first reads by size, compared with Airbyte's connector and a lower bound."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.airbyte import PACKAGE
from benchmarks.reads import CASES, LATENCY, read, read_with_airbytes
from benchmarks.table import BOUND, OURS, WHEEL, Curves, Table, marked, seconds
from source_klaviyo.streams.children import Child
from source_klaviyo.streams.detailed import Detailed
from source_klaviyo.streams.periods import Periods
from tools.streams import streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.plan import Plan
    from benchmarks.reads import Case, Read

    Job = tuple[Case, int]
    Reads = dict[Job, Read]
    Say = Callable[[str], None]

NAME = "sizes"
PAGE_FACTOR, ALLOWANCE, PACED_FACTOR = 1.2, 16, 1.03
"""Requests that a read may take: per page, and in addition; per page if the quota per minute decides."""
SHARE_GOAL = 0.97
"""The share of the allowed rate that a read should use if the quota per minute decides."""
SIDE_BY_SIDE = 12
"""Concurrent reads, each of its own account: they wait for quotas, or for one response after another."""
STAGGER = 4.0
"""Seconds between the starts of concurrent reads, since each starts with a burst."""
MEANING = f"""\
Each account is read by itself, with {LATENCY:g} s per response and Klaviyo's limits. All pages are full.

- *Time*: from the first request to the last response. A short read that misses its goal is repeated up to {{tries}}
  times, and the fastest counts. *CPU* includes the start of Python and the CDK, about a second.
- *Bound*: three round trips, plus the pages at the burst limit; beyond the quota of a minute, at that quota. Records of
  the same second can only be read page after page.
- *Ratio*: time divided by bound. Less is better; the goal is 2, and 2.5 if the dates are spread unevenly.
- *Airbyte's*: the same read with `{PACKAGE}` and its maximum of 50 workers. *Ahead*: how many times as long it takes.
  More is better. It is left out if it would take too long.
- *Requests*: less is better; the goal is {PAGE_FACTOR} per page and {ALLOWANCE} in addition, and {PACED_FACTOR} per
  page if the quota per minute decides. *429*: how many of them Klaviyo rejected."""
WHEELS = 3
"""Concurrent reads with Airbyte's connector, which needs more CPU per page: so few do not slow each other down."""
WORTHWHILE = 0.5
"""Airbyte's connector is left out if the bound is more than this share of the time after which it is stopped."""
CHARTED = ("events", "profiles", "email_templates")


def measure(plan: Plan, say: Say) -> Iterator[Table | Curves]:
    """Read each stream at each size with real limits: CPU-bound reads alone, the others side by side."""
    table = Table(
        "Every size: how long does a first read take?",
        MEANING.format(tries=plan.tries),
        ("Stream", "Pages", "Time", "Bound", "Ratio", "Airbyte's", "Ahead", "Requests", "429", "CPU"),
    )
    jobs = [(case, pages) for case in _cases(plan) for pages in _sizes(case, plan)]
    reads: Reads = {}
    for case, pages in jobs:
        if not case.waits(pages):
            say(f"reading {pages:,} pages of {case.what}")
            with table.guard(f"{case.what}, {pages:,} pages"):
                reads[case, pages] = read(case, pages, plan.tries)
    peers = [
        (case, pages)
        for case, pages in jobs
        if case.peer
        and pages in plan.wheel_sizes
        and case.endpoint.bound(pages, LATENCY) < WORTHWHILE * plan.wheel_seconds
    ]
    wheel: dict[Job, Read | None] = {}
    _side_by_side(table, plan, say, reads, wheel, [job for job in jobs if job[0].waits(job[1])], peers)
    for job in jobs:
        if job in reads:
            table.rows.append(_row(job, reads[job], wheel, plan))
    for (case, pages), each in reads.items():
        if each.twice:
            table.wrong.append(f"{case.what}, {pages:,} pages: {each.twice} records came twice")
    refused = sum(each.refused for each in reads.values())
    if refused:
        table.wrong.append(f"{refused} requests were refused (429 or 400)")
    table.notes.append(_undivided())
    yield table
    yield _shares(reads)
    yield _missed(reads)
    yield from _curves(reads, wheel)


def _cases(plan: Plan) -> list[Case]:
    return [case for case in CASES if case.awkward or not plan.streams or case.what in plan.streams]


def _sizes(case: Case, plan: Plan) -> list[int]:
    sizes = plan.awkward_sizes if case.awkward else plan.sizes
    return [pages for pages in sizes if pages <= min(plan.largest[case.endpoint.steady], case.largest)]


def _side_by_side(
    table: Table,
    plan: Plan,
    say: Say,
    reads: Reads,
    wheel: dict[Job, Read | None],
    waiting: list[Job],
    peers: list[Job],
) -> None:
    """Read what waits for quotas, and what Airbyte's connector reads; add the figures to `reads` and `wheel`."""
    gate, few = threading.Lock(), threading.Semaphore(WHEELS)

    def begin(line: str) -> None:
        with gate:
            say(line)
            time.sleep(STAGGER)

    def one(job: Job) -> None:
        case, pages = job
        begin(f"reading {pages:,} pages of {case.what}, beside others")
        with table.guard(f"{case.what}, {pages:,} pages"):
            reads[job] = read(case, pages)

    def other(job: Job) -> None:
        case, pages = job
        with few, table.guard(f"{case.what}, {pages:,} pages, Airbyte's"):
            begin(f"reading {pages:,} pages of {case.what} with Airbyte's connector")
            wheel[job] = read_with_airbytes(case, pages, plan.wheel_seconds, say)

    longest = sorted(waiting, key=lambda job: job[1] / job[0].endpoint.steady, reverse=True)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        running = [pool.submit(one, job) for job in longest]
        # each read of events takes it a whole core, so two would slow each other down
        others = sorted(peers, key=lambda job: job[1], reverse=True)
        running += [pool.submit(other, job) for job in others if job[0].stream != "events"]
        for each in running:
            each.result()
    for job in peers:
        if job[0].stream == "events":
            other(job)


def _row(job: Job, own: Read, wheel: Mapping[Job, Read | None], plan: Plan) -> tuple[str, ...]:
    case, pages = job
    most = PACED_FACTOR * own.pages if case.endpoint.is_paced(pages) else PAGE_FACTOR * own.pages + ALLOWANCE
    theirs, ahead = "", ""
    if job in wheel:
        taken = wheel[job]
        least = taken.seconds if taken else plan.wheel_seconds
        sign = "" if taken else "> "
        theirs = f"{sign}{seconds(least)}"
        ahead = marked(f"{sign}{least / own.seconds:.1f}", missed=least < own.seconds)
    return (
        case.what,
        f"{pages:,}",
        seconds(own.seconds),
        seconds(own.bound),
        marked(f"{own.ratio:.2f}", missed=own.ratio > case.goal),
        theirs,
        ahead,
        marked(f"{own.requests:,}", missed=own.requests > most),
        f"{own.refused}",
        seconds(own.cpu),
    )


def _shares(reads: Reads) -> Table:
    """Return the shares of the allowed rate that long reads use."""
    table = Table(
        "Does a long read use what Klaviyo allows?",
        "The requests made in the whole minutes of a read that is larger than a minute's quota, as a share of that "
        f"quota. More is better; the goal is {SHARE_GOAL:.0%}.",
        ("Stream", "Pages", "Limit, requests/min", "Share"),
    )
    for (case, pages), each in sorted(reads.items(), key=lambda item: (CASES.index(item[0][0]), item[0][1])):
        if each.share and case.endpoint.is_paced(pages):
            share = marked(f"{each.share:.1%}", missed=each.share < SHARE_GOAL)
            table.rows.append((case.what, f"{pages:,}", f"{case.endpoint.steady:,}", share))
    return table


def _missed(reads: Reads) -> Table:
    """Return the requests over time of reads that miss their goal."""
    table = Table(
        "Where do reads that miss their goal spend their time?",
        f"The number of requests in each interval of {LATENCY:g} s; `75x3` means 75 in each of three.",
        ("Stream, pages", "Requests over time"),
    )
    for (case, pages), each in reads.items():
        if each.ratio > case.goal:
            table.rows.append((f"{case.what}, {pages:,}", each.traced()))
    if not table.rows:
        table.notes.append("Every read met its goal.")
    return table


def _curves(reads: Reads, wheel: Mapping[Job, Read | None]) -> Iterator[Curves]:
    for name in CHARTED:
        own = {pages: each for (case, pages), each in reads.items() if case.what == name}
        lines = {
            OURS: {pages: each.seconds for pages, each in own.items()},
            WHEEL: {pages: each.seconds for (case, pages), each in wheel.items() if case.what == name and each},
            BOUND: {pages: each.bound for pages, each in own.items()},
        }
        if own:
            yield Curves(name, lines)


def _undivided() -> str:
    """Name the streams that are not split, and the reason."""
    collections = [stream for stream in streams() if not isinstance(stream, Periods | Child | Detailed)]
    unordered = [
        f"`{stream.name}`" for stream in collections if stream.lower_bound_operator and not stream.is_sorted_reliably
    ]
    unfiltered = [f"`{stream.name}`" for stream in collections if not stream.lower_bound_operator]
    return (
        "These streams are not split into concurrent windows: since Klaviyo's order is not reliable, "
        f"{', '.join(unordered)}; since Klaviyo has no filter by their date, {', '.join(unfiltered)}."
    )
