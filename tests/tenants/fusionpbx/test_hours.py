"""Time conditions: which of them say when somebody is there, and what is said of the others."""

import pytest

from pipelines.spec_desk import HoursSpec
from tenants.fusionpbx.draft import draft
from tenants.fusionpbx.hours import Understood, understood
from tenants.fusionpbx.rows import (
    TIME_CONDITION,
    DetailRow,
    DomainRow,
    DomainRows,
    InboundRow,
    TimeConditionRow,
)

ID = "6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"
ZONE = "America/Sao_Paulo"
OPEN, CLOSED = "transfer 600 XML d", "transfer *99600 XML d"

Line = tuple[int, str, str]
"""Group, what it is, and its data: a condition's type, or `action`, or `set`."""


def rows(*lines: Line, name: str = "Horário") -> tuple[TimeConditionRow, tuple[DetailRow, ...]]:
    condition = TimeConditionRow(
        domain_uuid=ID, dialplan_uuid="a", app_uuid=TIME_CONDITION, dialplan_name=name, dialplan_number="5000",
        dialplan_enabled="true",
    )  # fmt: skip
    details = []
    for order, (group, kind, data) in enumerate(lines):
        tag = "action" if kind in {"action", "set"} else "anti-action" if kind == "anti-action" else "condition"
        app, _, rest = data.partition(" ")
        details.append(
            DetailRow(
                domain_uuid=ID, dialplan_uuid="a", dialplan_detail_tag=tag,
                dialplan_detail_type=app if kind == "action" else kind,
                dialplan_detail_data=rest if kind == "action" else data,
                dialplan_detail_group=str(group), dialplan_detail_order=str(order),
            )
        )  # fmt: skip
    return condition, tuple(details)


def read(*lines: Line, name: str = "Horário") -> Understood:
    condition, details = rows(*lines, name=name)
    return understood([condition], details, ZONE)


def one(found: Understood) -> HoursSpec:
    assert len(found.hours) == 1, found.notes
    return found.hours[0]


def openings(found: Understood) -> list[tuple[str, str, str]]:
    return [(" ".join(span.days), span.open, span.close) for span in one(found).weekly]


def test_a_week_with_lunch_and_a_saturday() -> None:
    found = read(
        (0, "set", f"timezone={ZONE}"),
        (500, "destination_number", "^5000$"), (500, "wday", "2-6"), (500, "minute-of-day", "541-720"),
        (500, "action", OPEN),
        (501, "destination_number", "^5000$"), (501, "wday", "2-6"), (501, "minute-of-day", "781-1080"),
        (501, "action", OPEN),
        (502, "destination_number", "^5000$"), (502, "wday", "7"), (502, "hour", "9-12"), (502, "action", OPEN),
        (999, "destination_number", "^5000$"), (999, "action", CLOSED),
    )  # fmt: skip
    assert one(found).name == "horario"
    assert openings(found) == [
        ("mon tue wed thu fri", "09:00", "12:00"), ("sat", "09:00", "13:00"), ("mon tue wed thu fri", "13:00", "18:00"),
    ]  # fmt: skip
    assert (found.by_number, found.notes) == ({"5000": "horario"}, ())


def test_rules_that_overlap_are_one_time_and_every_day_is_every_day() -> None:
    found = read(
        (500, "minute-of-day", "1-600"), (500, "action", OPEN),
        (501, "wday", "sun,2"), (501, "minute-of-day", "601-1440"), (501, "action", OPEN),
        (502, "wday", "1"), (502, "action", OPEN),
    )  # fmt: skip
    assert openings(found) == [("tue wed thu fri sat", "00:00", "10:00"), ("mon sun", "00:00", "24:00")]


def test_a_holiday_before_the_week_is_a_closed_date() -> None:
    week = ((500, "wday", "2-6"), (500, "action", OPEN))
    found = read(
        (100, "set", "preset=natal"), (100, "year", "2026"), (100, "mon", "12"), (100, "mday", "24-25"),
        (100, "action", CLOSED),
        (101, "date-time", "2027-01-01 00:00~2027-01-02 23:59"), (101, "action", CLOSED),
        (102, "mon", "4"), (102, "mday", "21"), (102, "action", CLOSED),
        (103, "date-time", "2027-02-01 08:00~2027-02-01 12:00"), (103, "action", CLOSED),
        *week,
        (600, "year", "2026"), (600, "mon", "5"), (600, "mday", "1"), (600, "action", CLOSED),
    )  # fmt: skip
    assert [day.date for day in one(found).dates] == ["2026-12-24", "2026-12-25", "2027-01-01", "2027-01-02"]
    assert [note.removeprefix("time condition 'Horário' (5000): left out the rule ") for note in found.notes] == [
        "mon 4, mday 21, which is no date with its year, of whole days",
        "date-time 2027-02-01 08:00~2027-02-01 12:00, which is no date with its year, of whole days",
        "year 2026, mon 5, mday 1, which closes nothing in these hours",
    ]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([(500, "mon", "1"), (500, "action", OPEN)], "no rule of days and times"),
        ([(500, "wday", "2"), (500, "action", OPEN), (501, "wday", "3"), (501, "action", CLOSED)], "several places"),
        ([(500, "wday", "6-2"), (500, "action", OPEN)], "days of the week that are none"),
        ([(500, "wday", "8"), (500, "action", OPEN)], "days of the week that are none"),
        ([(500, "minute-of-day", "1320-360"), (500, "action", OPEN)], "go over midnight"),
        ([(500, "minute-of-day", "9:00-17:00"), (500, "action", OPEN)], "times of the day that are none"),
        ([(500, "hour", "8-24"), (500, "action", OPEN)], "times of the day that are none"),
        ([(500, "wday", "2"), (500, "wday", "3"), (500, "action", OPEN)], "the same thing twice"),
        ([(500, "wday", "2"), (500, "caller_id_number", "^11"), (500, "action", OPEN)], "asks for caller_id_number"),
        ([(500, "wday", "2"), (500, "anti-action", OPEN)], "a line of the kind anti-action"),
        ([(0, "set", "timezone=UTC"), (500, "wday", "2"), (500, "action", OPEN)], "its time zone is UTC"),
        ([], "no rule of days and times"),
    ],
)
def test_what_hours_cannot_say_is_told(lines: list[Line], why: str) -> None:
    found = read(*lines)
    assert found.hours == ()
    [note] = found.notes
    assert note.startswith("time condition 'Horário' (5000) is not taken over: ")
    assert why in note


def test_hours_have_names_of_their_own() -> None:
    assert read((500, "wday", "2"), (500, "action", OPEN), name="日本").by_number == {"5000": "hours"}


@pytest.mark.parametrize(("second", "hours"), [("5000", "horario"), ("600", None)])
def test_an_assistant_whose_numbers_all_go_through_a_time_condition_has_its_hours(
    second: str, hours: str | None
) -> None:
    inbound = tuple(
        InboundRow(
            domain_uuid=ID, destination_type="inbound", destination_number=str(number), destination_app="transfer",
            destination_data=f"{to} XML d", destination_enabled="t",
        )
        for number, to in enumerate(("5000", second))
    )  # fmt: skip
    condition, details = rows((500, "wday", "2"), (500, "action", OPEN))
    domain = DomainRow(domain_uuid=ID, domain_name="d")
    found = DomainRows(domain=domain, inbound=inbound, time_conditions=(condition,), details=details)
    [assistant] = draft(found, "a").spec.assistants
    assert assistant.hours == hours
