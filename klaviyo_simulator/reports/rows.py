"""The rows of reports: counts of subjects by interval, summed by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klaviyo_simulator.reports import numbers, timeframes
from klaviyo_simulator.reports.numbers import LEVELS, RATES, Grid
from klaviyo_simulator.reports.subjects import SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from klaviyo_simulator.data.tables import Table
    from klaviyo_simulator.reports.bodies import ReportQuery
    from klaviyo_simulator.reports.numbers import Floats, Numbers
    from klaviyo_simulator.reports.subjects import Subject
    from klaviyo_simulator.rules.reports import Report
    from klaviyo_simulator.settings import Settings

_SUBJECTS_PER_BATCH = 200  # bounds the memory of a report
_HOURS_BEFORE = 23  # hours of the day before an hourly series that it omits
_SECOND_DAY_SHARE = 0.1  # of a campaign's messages, relative to the first day


class Row(NamedTuple):
    """A group and its counts by interval."""

    groupings: dict[str, Any]
    counts: dict[str, Numbers]

    def document(self, query: ReportQuery) -> dict[str, Any]:
        """Return the row as in the response."""
        values = {name: numbers.statistic(name, self.counts) for name in query.statistics}
        if query.interval is None:
            return {"groupings": self.groupings, "statistics": {name: value[0] for name, value in values.items()}}
        return {"groupings": self.groupings, "statistics": values}


class Rows:
    """The rows of one query, as of `now` in the account's time zone."""

    def __init__(self, report: Report, query: ReportQuery, settings: Settings, now: datetime) -> None:
        self._report = report
        self._query = query
        self._settings = settings
        self._now = now
        requested, interval = query.timeframe, query.interval
        # Klaviyo's series begin with one interval before the requested ones, which counts half.
        self._timeframe = timeframes.with_interval_before(requested, interval) if interval else requested
        self._labels, self._starts = timeframes.intervals(self._timeframe, interval)

    @property
    def date_times(self) -> list[str]:
        """The starts of the intervals."""
        return self._labels[_HOURS_BEFORE:] if self._query.interval == "hourly" else self._labels

    def of(self, tables: Mapping[str, Table]) -> list[Row]:
        """Return all rows, in the order of their first subjects."""
        subjects = list(self._subjects(tables))
        groups: dict[tuple[Any, ...], dict[str, Numbers]] = {}
        for at in range(0, len(subjects), _SUBJECTS_PER_BATCH):
            some = subjects[at : at + _SUBJECTS_PER_BATCH]
            counts = self._counts(some)
            for place, subject in enumerate(some):
                for group in subject.groups_of(self._query.groups):
                    sums = groups.setdefault(group, {})
                    for name, values in counts.items():
                        sums[name] = sums[name] + values[place] if name in sums else values[place]
        return [Row(dict(zip(self._query.groups, group, strict=True)), sums) for group, sums in groups.items()]

    def _subjects(self, tables: Mapping[str, Table]) -> Iterator[Subject]:
        """Yield the subjects that meet the filter and existed (campaigns: were sent) within the timeframe."""
        first, last = self._query.timeframe
        for subject in SUBJECTS[self._report.subject](tables, self._now.tzinfo):
            gone = subject.is_one_time and (first - subject.first_day).days > 1
            if subject.first_day <= last and not gone and all(map(subject.meets, self._query.conditions)):
                yield subject

    def _counts(self, subjects: Sequence[Subject]) -> dict[str, Numbers]:
        """Return the counts for the query: a row for each subject, a column for each interval."""
        seed, report, timeframe = self._settings.seed, self._report, self._timeframe
        # Levels are sums of all changes since the beginning.
        start = min(timeframes.SEGMENTS_SINCE, timeframe.first) if report.subject == "segment" else timeframe.first
        before = (timeframe.first - start).days
        days = np.arange(start.toordinal(), timeframe.last.toordinal() + 1)
        keys = np.array([numbers.key_of(f"{seed}:{subject.id}") for subject in subjects], np.uint64)
        grid = Grid(keys, days)
        today = self._now.date().toordinal()
        happened = (days < today) | ((days == today) & (grid.hours() <= self._now.hour))
        reached = numbers.audience(grid, [each.size(seed) for each in subjects], _activity(subjects, days))
        if report.subject == "segment":
            counts = numbers.segments(grid, reached, happened, before)
        elif report.subject == "form":
            counts = numbers.forms(grid, reached * happened)
        else:
            channels = [subject.groupings["send_channel"] for subject in subjects]
            metric = self._query.metric or ""
            counts = numbers.messages(grid, reached * happened, channels, metric, self._settled_share(days))
        requested = self._query.statistics
        needed = {part for name in requested for part in RATES.get(name, (name,))}
        return {name: self._by_interval(name, counts[name], grid.hours()[:, before:]) for name in needed}

    def _settled_share(self, days: Numbers) -> Floats:
        """Return the share of each day's conversions that is attributed by now."""
        age = self._now.date().toordinal() - days
        settled_share: Floats = ((age + 1.0) / (self._settings.attribution_settles + 1.0)).clip(0, 1)
        return settled_share

    def _by_interval(self, name: str, counts: Numbers, hours: Numbers) -> Numbers:
        if self._query.interval and name not in LEVELS:
            requested = (self._query.timeframe.first - self._timeframe.first).days
            counts = counts.copy()
            counts[:, :requested] //= 2
            # The first requested interval counts only its days in the timeframe.
            counts[:, self._starts[1] : requested] = 0
        if self._query.interval != "hourly":
            summed: Numbers = np.add.reduceat(counts, self._starts, axis=1)
            return summed
        spread = np.zeros((len(counts), len(self._labels)), np.int64)
        np.put_along_axis(spread, np.arange(counts.shape[1]) * 24 + hours, counts, axis=1)
        if name in LEVELS:
            spread[:, _HOURS_BEFORE] += spread[:, :_HOURS_BEFORE].sum(axis=1)
        return spread[:, _HOURS_BEFORE:]


def _activity(subjects: Sequence[Subject], days: Numbers) -> Floats:
    """Return the activity of each subject and day: from its first day on; campaigns for two days."""
    age = days[None, :] - np.array([subject.first_day.toordinal() for subject in subjects])[:, None]
    is_one_time = np.array([subject.is_one_time for subject in subjects])[:, None]
    activity: Floats = np.where(is_one_time, (age == 0) + (age == 1) * _SECOND_DAY_SHARE, age >= 0)
    return activity
