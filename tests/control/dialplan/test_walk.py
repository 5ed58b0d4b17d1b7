"""Wherever the service refuses, dies or sends a call: the caller comes to somebody, or the call ends."""

from itertools import product

import pytest

from control.dialplan.plan import Pbx
from control.dialplan.xml import dialplan_xml
from tests.control.dialplan.plans import KEYS, plan
from tests.control.dialplan.walk import DOORS, FaultError, endings
from transports.freeswitch.words import WIRES

OUTSIDE = {"1001", "600", "*9920"}
ENDED = {"hangup NORMAL_TEMPORARY_FAILURE"}


def ways(number: str = "1000", **parts: object) -> dict[str, set[str]]:
    return endings(dialplan_xml(plan(**parts), KEYS), number, OUTSIDE)


@pytest.mark.parametrize(
    ("pbx", "wire", "operator", "voicemail", "fallback"),
    list(product(("fusionpbx", "freeswitch"), (None, *WIRES), (None, "1001"), (None, "20"), (None, "600"))),
)
def test_no_caller_is_left_in_silence(
    pbx: Pbx, wire: str | None, operator: str | None, voicemail: str | None, fallback: str | None
) -> None:
    given = {"pbx": pbx, "wire": wire, "operator": operator, "voicemail": voicemail, "fallback": fallback}
    for number in plan().numbers:
        found = ways(number, **given)
        assert found.keys() == set(DOORS)
        assert all(found.values()), "every way ends"


def test_without_anything_given_the_call_ends_with_a_cause_that_tells_why() -> None:
    found = ways()
    assert found.pop("busy") == {"hangup USER_BUSY"}
    assert set(map(frozenset, found.values())) == {frozenset(ENDED)}


def test_each_door_leads_where_it_says() -> None:
    found = ways(operator="1001", voicemail="20")
    assert found == {
        "failed": {"transfer 1001"},
        "busy": {"hangup USER_BUSY"},
        "voicemail": {"transfer *9920"},
        "operator": {"transfer 1001"},
        "again": {"transfer 1001"},
        "one-of-a-newer-service": {"transfer 1001"},
    }


def test_a_fallback_takes_what_we_cannot_and_leaves_the_other_doors() -> None:
    found = ways(operator="1001", voicemail="20", fallback="600")
    assert {door for door, ends in found.items() if ends == {"transfer 600"}} == {
        "failed",
        "busy",
        "again",
        "one-of-a-newer-service",
    }
    assert (found["operator"], found["voicemail"]) == ({"transfer 1001"}, {"transfer *9920"})


def test_a_freeswitch_of_its_own_records_by_itself() -> None:
    box = {"voicemail default sorriso.example.net 20", "hangup NORMAL_CLEARING"}
    assert ways(pbx="freeswitch", voicemail="20")["failed"] == box


RESUME = '<action application="set" data="socket_resume=true"/>'
FAILED = '<action application="set" data="door=failed"/>'
LEAVE = '<action application="transfer" data="door_${door} XML sorriso.example.net"/>'
BROKEN = {
    "doors that are not there": ('expression="^door_', 'expression="^x_', "leads nowhere"),
    "a door that does nothing": ('"hangup" data="USER_BUSY"', '"answer"', "left alone"),
    "an answer before the socket": (RESUME, RESUME + '<action application="answer"/>', "before the socket"),
    "silence before the socket": (RESUME, RESUME + RESUME.replace("socket_resume=true", "send_silence_when_idle=-1"),
                                  "hears nothing"),
    "no way out of a dead socket": (RESUME, "", "without a way out"),
    "the door of the last time": (FAILED, "", "without a way out"),
    "a fall-back that comes back": ("1001 XML", "1000 XML", "comes to the socket again"),
    "a door that leads to itself": ("1001 XML", "door_failed XML", "come to again"),
    "a number that is not there": ("1001 XML", "1002 XML", "leads nowhere"),
    "another context": ("1001 XML sorriso.example.net", "1001 XML default", "leaves the context"),
    "nothing behind the socket": (LEAVE, "", "left alone"),
    "an application that we do not know": ('"hangup" data="USER_BUSY"', '"sleep" data="1000"', "unknown application"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_the_walk_sees_what_would_be_wrong(fault: str) -> None:
    old, new, told = BROKEN[fault]
    right = dialplan_xml(plan(operator="1001"), KEYS)
    endings(right, "1000", OUTSIDE)
    with pytest.raises(FaultError, match=told):
        endings(right.replace(old, new), "1000", OUTSIDE)
