"""The rows of reports: subjects, counted by interval and summed by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klaviyo_simulator.reports import numbers, timeframes
from klaviyo_simulator.reports.numbers import LEVELS, RATES, Cell
from klaviyo_simulator.reports.subjects import SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from klaviyo_simulator.data.tables import Table
    from klaviyo_simulator.reports.bodies import Question
    from klaviyo_simulator.reports.numbers import Floats, Numbers
    from klaviyo_simulator.reports.subjects import Subject
    from klaviyo_simulator.rules.reports import Report
    from klaviyo_simulator.settings import Settings

_AT_ONCE = 200  # subjects that are counted together
_HOURS_BEFORE = 23  # of the day before a series of hours, all but the last are left out
_SECOND_DAY = 0.1  # of a campaign's messages, as much as on the first, go out on the day after it


class Row(NamedTuple):
    """One group, and its counts by interval."""

    groupings: dict[str, Any]
    counts: dict[str, Numbers]

    def document(self, question: Question) -> dict[str, Any]:
        """As an answer shows it."""
        values = {name: numbers.statistic(name, self.counts) for name in question.statistics}
        if question.interval is None:
            return {"groupings": self.groupings, "statistics": {name: value[0] for name, value in values.items()}}
        return {"groupings": self.groupings, "statistics": values}


class Rows:
    """Answers one question about the account as it is at one moment, in its own time."""

    def __init__(self, report: Report, question: Question, settings: Settings, now: datetime) -> None:
        self._report = report
        self._question = question
        self._settings = settings
        self._now = now
        asked, interval = question.timeframe, question.interval
        # A series begins with an interval that was not asked for, and of which half is counted.
        self._timeframe = timeframes.widened(asked, interval) if interval else asked
        self._labels, self._starts = timeframes.intervals(self._timeframe, interval)

    @property
    def date_times(self) -> list[str]:
        """When the intervals begin."""
        return self._labels[_HOURS_BEFORE:] if self._question.interval == "hourly" else self._labels

    def of(self, tables: Mapping[str, Table]) -> list[Row]:
        """All rows, in the order of their first subjects."""
        subjects = list(self._subjects(tables))
        groups: dict[tuple[Any, ...], dict[str, Numbers]] = {}
        for at in range(0, len(subjects), _AT_ONCE):
            some = subjects[at : at + _AT_ONCE]
            counts = self._counts(some)
            for place, subject in enumerate(some):
                for group in subject.expanded(self._question.groups):
                    sums = groups.setdefault(group, {})
                    for name, values in counts.items():
                        sums[name] = sums[name] + values[place] if name in sums else values[place]
        return [Row(dict(zip(self._question.groups, group, strict=True)), sums) for group, sums in groups.items()]

    def _subjects(self, tables: Mapping[str, Table]) -> Iterator[Subject]:
        """Those that the question is about, and that existed (or, campaigns, were sent) in its days."""
        first, last = self._question.timeframe
        for subject in SUBJECTS[self._report.subject](tables, self._now.tzinfo):
            gone = subject.only and (first - subject.first).days > 1
            if subject.first <= last and not gone and all(map(subject.meets, self._question.conditions)):
                yield subject

    def _counts(self, subjects: Sequence[Subject]) -> dict[str, Numbers]:
        """The counts that the question needs: a row for each subject, a column for each interval."""
        seed, report, timeframe = self._settings.seed, self._report, self._timeframe
        # Levels are sums of all that happened since the beginning.
        start = min(timeframes.SEGMENTS_SINCE, timeframe.first) if report.subject == "segment" else timeframe.first
        before = (timeframe.first - start).days
        days = np.arange(start.toordinal(), timeframe.last.toordinal() + 1)
        keys = np.array([numbers.key_of(f"{seed}:{subject.id}") for subject in subjects], np.uint64)
        cell = Cell(keys, days)
        today = self._now.date().toordinal()
        happened = (days < today) | ((days == today) & (cell.hours() <= self._now.hour))
        reached = numbers.audience(cell, [each.size(seed) for each in subjects], _within(subjects, days))
        if report.subject == "segment":
            counts = numbers.segments(cell, reached, happened, before)
        elif report.subject == "form":
            counts = numbers.forms(cell, reached * happened)
        else:
            channels = [subject.groupings["send_channel"] for subject in subjects]
            metric = self._question.metric or ""
            counts = numbers.messages(cell, reached * happened, channels, metric, self._settled(days))
        asked = self._question.statistics
        needed = {part for name in asked for part in RATES.get(name, (name,))}
        return {name: self._by_interval(name, counts[name], cell.hours()[:, before:]) for name in needed}

    def _settled(self, days: Numbers) -> Floats:
        """Which share of the conversions of each day has been found by now."""
        age = self._now.date().toordinal() - days
        settled: Floats = ((age + 1.0) / (self._settings.attribution_settles + 1.0)).clip(0, 1)
        return settled

    def _by_interval(self, name: str, counts: Numbers, hours: Numbers) -> Numbers:
        if self._question.interval and name not in LEVELS:
            asked = (self._question.timeframe.first - self._timeframe.first).days
            counts = counts.copy()
            counts[:, :asked] //= 2
            counts[:, self._starts[1] : asked] = 0  # the first interval that was asked for has only the rest of it
        if self._question.interval != "hourly":
            summed: Numbers = np.add.reduceat(counts, self._starts, axis=1)
            return summed
        spread = np.zeros((len(counts), len(self._labels)), np.int64)
        np.put_along_axis(spread, np.arange(counts.shape[1]) * 24 + hours, counts, axis=1)
        if name in LEVELS:
            spread[:, _HOURS_BEFORE] += spread[:, :_HOURS_BEFORE].sum(axis=1)
        return spread[:, _HOURS_BEFORE:]


def _within(subjects: Sequence[Subject], days: Numbers) -> Floats:
    """How busy each subject is on each day: not before its first, and campaigns only then and on the day after."""
    age = days[None, :] - np.array([subject.first.toordinal() for subject in subjects])[:, None]
    only = np.array([subject.only for subject in subjects])[:, None]
    within: Floats = np.where(only, (age == 0) + (age == 1) * _SECOND_DAY, age >= 0)
    return within
