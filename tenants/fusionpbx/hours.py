"""FusionPBX's time conditions as hours, where they say when somebody is there.

A time condition is a list of rules: groups of conditions with an action, of which the first that holds is done, and
group 999 otherwise. It is read as hours where all rules of the week lead to one place: then somebody is there, and
else not. FreeSWITCH counts days from 1 (Sunday) and minutes of a day from 1 (00:00).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Final

from msgspec import Struct

from pipelines.spec_desk import Day, HolidaySpec, HoursSpec, OpenSpec
from tenants.fusionpbx import facts
from tenants.fusionpbx.facts import Range
from tenants.fusionpbx.rows import DetailRow, TimeConditionRow

MAX_HOURS: Final = 50
MAX_OPENINGS: Final = 50
MAX_DATES: Final = 400
_DAYS: Final[tuple[Day, ...]] = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WEEK: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKLY: Final = frozenset({"wday", "minute-of-day", "hour"})
_DATED: Final = frozenset({"year", "mon", "mday", "date-time"})
_OTHERS: Final = frozenset({"week", "mweek", "yday"})
_SETTINGS: Final = 0
_OTHERWISE: Final = 999
_DAY_MIN: Final = 24 * 60


class NotUnderstoodError(Exception):
    """The time condition says something that hours cannot say; the message says what."""


class Rule(Struct, frozen=True):
    """One group. `action` is where it leads, '' when nowhere."""

    group: int
    conditions: tuple[tuple[str, str], ...]
    action: str

    @property
    def dated(self) -> bool:
        return any(kind not in _WEEKLY for kind, _ in self.conditions)


class Understood(Struct, frozen=True, kw_only=True):
    """`by_number`: the name of the hours that a dialled number stands for."""

    hours: tuple[HoursSpec, ...] = ()
    by_number: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()


def understood(conditions: Iterable[TimeConditionRow], details: Iterable[DetailRow], time_zone: str) -> Understood:
    """The hours of the time conditions of one domain that are enabled; a note for each thing that they do not say."""
    lines: dict[str, list[DetailRow]] = {}
    for detail in details:
        lines.setdefault(detail.dialplan_uuid, []).append(detail)
    hours: list[HoursSpec] = []
    by_number: dict[str, str] = {}
    notes: list[str] = []
    for condition in conditions:
        if not facts.truth(condition.dialplan_enabled):
            continue
        called = f"{facts.line(condition.dialplan_name)!r} ({facts.line(condition.dialplan_number, 32)})"
        name = facts.unique(facts.slug(condition.dialplan_name, "hours"), [one.name for one in hours])
        if len(hours) == MAX_HOURS:
            notes.append(f"time condition {called} is not taken over: a document has {MAX_HOURS} at most")
            continue
        try:
            one, left_out = _hours(name, lines.get(condition.dialplan_uuid, []), time_zone)
        except NotUnderstoodError as error:
            notes.append(f"time condition {called} is not taken over: {error}")
            continue
        notes += [f"time condition {called}: {what}" for what in left_out]
        hours.append(one)
        if number := facts.number(condition.dialplan_number):
            by_number.setdefault(number, name)
    return Understood(hours=tuple(hours), by_number=by_number, notes=tuple(notes))


def _hours(name: str, details: list[DetailRow], time_zone: str) -> tuple[HoursSpec, list[str]]:
    rules = list(_rules(details, time_zone))
    weekly = [rule for rule in rules if not rule.dated]
    if not weekly:
        raise NotUnderstoodError("it has no rule of days and times of the week")
    if len({rule.action for rule in weekly}) > 1:
        raise NotUnderstoodError("its rules lead to several places, and hours only say whether somebody is there")
    openings = _openings(weekly)
    if len(openings) > MAX_OPENINGS:
        raise NotUnderstoodError(f"it has {len(openings)} openings; {MAX_OPENINGS} are the most")
    first = weekly[0]
    dates: dict[date, HolidaySpec] = {}
    left_out: list[str] = []
    for rule in rules:
        if not rule.dated:
            continue
        told = ", ".join(f"{kind} {facts.line(data, 60)}" for kind, data in rule.conditions)
        if rule.group > first.group or rule.action == first.action:
            left_out.append(f"left out the rule {told}, which closes nothing in these hours")
        elif not (days := _dates(rule)):
            left_out.append(f"left out the rule {told}, which is no date with its year, of whole days")
        elif len(dates) + len(days) > MAX_DATES:
            left_out.append(f"left out the rule {told}: {MAX_DATES} dates are the most")
        else:
            dates |= {one: HolidaySpec(date=one.isoformat()) for one in days}
    return HoursSpec(name=name, weekly=openings, dates=tuple(dates[one] for one in sorted(dates))), left_out


def _rules(details: list[DetailRow], time_zone: str) -> Iterator[Rule]:
    """The rules of the week and of dates, in their order. Raises NotUnderstoodError."""
    groups: dict[int, list[DetailRow]] = {}
    for detail in sorted(details, key=lambda one: facts.whole(one.dialplan_detail_order) or 0):
        if facts.truth(detail.dialplan_detail_enabled, empty=True):
            groups.setdefault(facts.whole(detail.dialplan_detail_group) or 0, []).append(detail)
    for group, lines in sorted(groups.items()):
        rule = _rule(group, lines, time_zone)
        if group not in {_SETTINGS, _OTHERWISE} and rule.conditions:
            yield rule


def _rule(group: int, lines: list[DetailRow], time_zone: str) -> Rule:
    conditions: list[tuple[str, str]] = []
    actions: list[str] = []
    for one in lines:
        tag, kind, data = one.dialplan_detail_tag, one.dialplan_detail_type, one.dialplan_detail_data
        if tag == "condition" and kind in _WEEKLY | _DATED | _OTHERS:
            conditions.append((kind, data))
        elif tag == "condition" and kind != "destination_number":
            raise NotUnderstoodError(f"it asks for {facts.line(kind, 60)}")
        elif tag == "action" and kind == "set":
            _check_zone(data, time_zone)
        elif tag == "action":
            actions.append(f"{kind} {data}")
        elif tag != "condition":
            raise NotUnderstoodError(f"it has a line of the kind {facts.line(tag, 60)}")
    return Rule(group, tuple(conditions), "\n".join(actions))


def _check_zone(setting: str, time_zone: str) -> None:
    name, _, value = setting.partition("=")
    if name.strip() == "timezone" and value.strip() != time_zone:
        raise NotUnderstoodError(f"its time zone is {facts.line(value, 60)}, the tenant's {time_zone}")


def _openings(rules: list[Rule]) -> tuple[OpenSpec, ...]:
    """What the rules say together, none overlapping another. Raises NotUnderstoodError."""
    minutes: dict[Day, list[Range]] = {day: [] for day in _WEEK}
    for rule in rules:
        kinds = [kind for kind, _ in rule.conditions]
        if len(set(kinds)) != len(kinds) or {"hour", "minute-of-day"} <= set(kinds):
            raise NotUnderstoodError("a rule of it says the same thing twice")
        said = dict(rule.conditions)
        for day in _days(said.get("wday", "1-7")):
            minutes[day] += _times(said)
    joined = {day: _joined(spans) for day, spans in minutes.items()}
    spans = sorted({(span.first, span.last) for of_day in joined.values() for span in of_day})
    return tuple(
        OpenSpec(
            days=tuple(day for day in _WEEK if Range(*span) in joined[day]), open=_clock(span[0]), close=_clock(span[1])
        )
        for span in spans
    )


def _days(written: str) -> set[Day]:
    for index, name in enumerate(_DAYS, 1):
        written = written.lower().replace(name, str(index))
    found = facts.ranges(written, 1, 7)
    if not found:
        raise NotUnderstoodError("days of the week that are none")
    return {_DAYS[index - 1] for one in found for index in one}


def _times(said: Mapping[str, str]) -> list[Range]:
    """From the first minute of opening to the first of closing."""
    if (minutes := said.get("minute-of-day")) is not None:
        found = [Range(one.first - 1, one.last) for one in facts.ranges(minutes, 1, _DAY_MIN)]
    elif (hours := said.get("hour")) is not None:
        found = [Range(one.first * 60, one.last * 60 + 60) for one in facts.ranges(hours, 0, 23)]
    else:
        found = [Range(0, _DAY_MIN)]
    if not found:
        raise NotUnderstoodError("times of the day that are none, or that go over midnight")
    return found


def _joined(spans: list[Range]) -> list[Range]:
    """Without overlaps."""
    joined: list[Range] = []
    for span in sorted(spans, key=lambda one: one.first):
        if joined and span.first <= joined[-1].last:
            joined[-1] = Range(joined[-1].first, max(joined[-1].last, span.last))
        else:
            joined.append(span)
    return joined


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _dates(rule: Rule) -> list[date]:
    """The whole days of a rule; [] where it is not made of such."""
    said = dict(rule.conditions)
    if len(said) != len(rule.conditions):
        return []
    if set(said) == {"date-time"}:
        return _days_between(said["date-time"])
    if set(said) != {"year", "mon", "mday"}:
        return []
    years, months = facts.ranges(said["year"], 2000, 2100), facts.ranges(said["mon"], 1, 12)
    if len(years) != 1 or len(months) != 1 or years[0].first != years[0].last or months[0].first != months[0].last:
        return []
    every = (facts.day(years[0].first, months[0].first, of) for one in facts.ranges(said["mday"], 1, 31) for of in one)
    return [one for one in every if one is not None]


def _days_between(written: str) -> list[date]:
    found = facts.span(written)
    if found is None:
        return []
    start, end = found
    end += timedelta(minutes=1 if (end.hour, end.minute) == (23, 59) else 0)
    if (start.hour, start.minute) != (0, 0) or (end.hour, end.minute) != (0, 0):
        return []
    return [(start + timedelta(days=count)).date() for count in range(min((end - start).days, MAX_DATES + 1))]
