"""What one part of a document says of another: names that have to exist, and times that have to be times."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Protocol

from pipelines.spec_desk import DestinationSpec, HolidaySpec, HoursSpec, KeySpec, OpenSpec
from tenants.errors import did_you_mean
from tenants.report import Report
from tenants.spec import TenantSpec

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MIN = 24 * 60
_WEEK_MIN = 7 * _DAY_MIN


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def check_references(spec: TenantSpec, report: Report) -> None:
    """Tell of names that are used twice or that nothing has, and of hours that no clock shows."""
    destinations = _names(spec.destinations, "$.destinations", "destination", report)
    hours = _names(spec.hours, "$.hours", "set of hours", report)
    menus = _names(spec.menus, "$.menus", "menu", report)
    _names(spec.webhooks, "$.webhooks", "webhook", report)
    _names(spec.tools.http + spec.tools.mcp, "$.tools", "tool", report)
    _check_destinations(spec.destinations, destinations, hours, report)
    _check_collections(spec, report)
    assistants = [assistant.name for assistant in spec.assistants]
    for name in spec.canary.shares if spec.canary is not None else ():
        _refers(name, assistants, f"$.canary.shares.{name}", "assistant", report)
    for index, one in enumerate(spec.hours):
        _check_hours(one, f"$.hours[{index}]", report)
    for index, menu in enumerate(spec.menus):
        _check_keys(menu.keys, f"$.menus[{index}].keys", destinations, menus, report)
    for index, assistant in enumerate(spec.assistants):
        path = f"$.assistants[{index}]"
        _refers(assistant.hours, hours, f"{path}.hours", "set of hours", report)
        _check_keys(assistant.keys, f"{path}.keys", destinations, menus, report)
        if assistant.texts.outside_hours is not None and assistant.hours is None:
            report.tell(f"{path}.texts.outside_hours", "the assistant has no hours outside of which it could be said")


def _names(named: tuple[_Named, ...], path: str, kind: str, report: Report) -> list[str]:
    names: list[str] = []
    for index, one in enumerate(named):
        if one.name in names:
            where = f"{path}[{index}].name" if path != "$.tools" else path
            report.tell(where, f"another {kind} is already called {one.name!r}")
        names.append(one.name)
    return names


def _refers(name: str | None, known: Collection[str], path: str, kind: str, report: Report) -> None:
    if name is not None and name not in known:
        report.tell(path, f"there is no {kind} {name!r}", did_you_mean(name, tuple(known)))


def _check_destinations(
    destinations: tuple[DestinationSpec, ...], names: list[str], hours: list[str], report: Report
) -> None:
    default = ""
    for index, one in enumerate(destinations):
        path = f"$.destinations[{index}]"
        _refers(one.hours, hours, f"{path}.hours", "set of hours", report)
        if (one.fallback.do == "destination") != (one.fallback.to is not None):
            told = "a fallback has `to` when it is to another destination, and only then"
            report.tell(f"{path}.fallback", told)
        _refers(one.fallback.to, names, f"{path}.fallback.to", "destination", report)
        if one.default and default:
            report.tell(f"{path}.default", f"the default destination is already {default!r}")
        default = default or (one.name if one.default else "")
    for circle in _circles(destinations):
        index = names.index(circle[0])
        report.tell(f"$.destinations[{index}].fallback.to", f"the fallbacks go round: {' → '.join(circle)}")


def _circles(destinations: tuple[DestinationSpec, ...]) -> Iterator[list[str]]:
    """Each circle of fallbacks once, from the destination that is written first."""
    names = [one.name for one in destinations]
    following = {one.name: one.fallback.to for one in destinations if names.count(one.name) == 1}
    told: set[str] = set()
    for start in following:
        walk = [start]
        while (to := following.get(walk[-1])) is not None and to not in walk:
            walk.append(to)
        if to == start and start not in told:
            yield [*walk, start]
            told.update(walk)


def _check_collections(spec: TenantSpec, report: Report) -> None:
    assistants = [assistant.name for assistant in spec.assistants]
    _names(spec.knowledge.collections, "$.knowledge.collections", "collection", report)
    for index, one in enumerate(spec.knowledge.collections):
        for place, name in enumerate(one.assistants):
            path = f"$.knowledge.collections[{index}].assistants[{place}]"
            _refers(name, assistants, path, "assistant", report)
    if spec.knowledge.chunking.overlap_chars >= spec.knowledge.chunking.max_chars:
        report.tell("$.knowledge.chunking.overlap_chars", "passages overlap by less than their length")


def _check_keys(
    keys: Mapping[str, KeySpec], path: str, destinations: list[str], menus: list[str], report: Report
) -> None:
    for key, one in keys.items():
        # A digit is no name, so that its path has brackets.
        where = f'{path}["{key}"]'
        if one.do == "say" and one.text is None:
            report.tell(f"{where}.text", "this field is required to say something")
        if one.do in ("menu", "transfer"):
            known, kind = (menus, "menu") if one.do == "menu" else (destinations, "destination")
            if one.to is None:
                report.tell(f"{where}.to", f"this field is required: the {kind}")
            _refers(one.to, known, f"{where}.to", kind, report)
        elif one.to is not None:
            report.tell(f"{where}.to", f"`{one.do}` goes nowhere", "leave it out")


def _check_hours(hours: HoursSpec, path: str, report: Report) -> None:
    taken: list[tuple[int, int]] = []
    for index, one in enumerate(hours.weekly):
        where = f"{path}.weekly[{index}]"
        for start, end in _spans(one, where, report):
            for shift in (-_WEEK_MIN, 0, _WEEK_MIN):
                if any(start + shift < other_end and other < end + shift for other, other_end in taken):
                    report.tell(where, "these hours overlap with others of the same days")
            taken.append((start, end))
    if hours.state is not None and hours.country is None:
        report.tell(f"{path}.state", "a state needs its country")
    _check_dates(hours.dates, f"{path}.dates", report)


def _spans(hours: OpenSpec, path: str, report: Report) -> Iterator[tuple[int, int]]:
    """Minutes of the week, from Monday's first."""
    start, end = _minutes(hours.open), _minutes(hours.close)
    if start is None or end is None:
        return
    if start in {end, _DAY_MIN}:
        report.tell(path, f"nobody is there from {hours.open} to {hours.close}", "a whole day is 00:00 to 24:00")
        return
    for place, day in enumerate(hours.days):
        if day in hours.days[:place]:
            report.tell(f"{path}.days[{place}]", f"{day} is named twice")
            continue
        first = _DAYS.index(day) * _DAY_MIN
        yield first + start, first + end + (_DAY_MIN if end < start else 0)


def _minutes(written: str) -> int | None:
    hour, colon, minute = written.partition(":")
    return int(hour) * 60 + int(minute) if colon and (hour + minute).isdecimal() else None


def _check_dates(dates: tuple[HolidaySpec, ...], path: str, report: Report) -> None:
    seen: set[str] = set()
    for index, one in enumerate(dates):
        where = f"{path}[{index}]"
        try:
            date.fromisoformat(one.date)
        except ValueError:
            report.tell(f"{where}.date", f"{one.date} is in no calendar")
        if one.date in seen:
            report.tell(f"{where}.date", f"{one.date} is already there")
        seen.add(one.date)
        if (one.open is None) != (one.close is None):
            report.tell(where, "give `open` and `close`, or neither for a closed day")
        elif one.open is not None and one.open == one.close:
            report.tell(where, f"nobody is there from {one.open} to {one.close}", "leave both out for a closed day")
