"""What the dialplan of one tenant is made of, and the extensions that it comes to.

A number sets its signed variables and opens the socket; when that ends, however it ends, the call goes on at
`door_<name>`. `door` is `failed` before we say otherwise, so a service that is away, refuses or dies leads there. There
is no `answer` before the socket: a refused call stays unanswered, and with `send_silence_when_idle` the caller would
hear nothing of us.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from base.ids import TenantId
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, KeyRing, sign
from transports.freeswitch.peers import LOOPBACK, is_within
from transports.freeswitch.words import WIRE_VARIABLE, DoorName, Note, Wire

Pbx = Literal["fusionpbx", "freeswitch"]
AGAIN_AT: Final = Note.AGAIN_AT.value
"""The channel variable with the address of the process that has the call; until one has it, that of the service."""
ANY_DOOR: Final = "door_other"
"""The extension for a door that this dialplan does not know, such as one of a newer service."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CONTEXT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")
_TARGET: Final = re.compile(r"[0-9A-Za-z*#+._-]{1,64}")
_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_BOX: Final = {"fusionpbx": re.compile(r"[0-9]{2,10}"), "freeswitch": re.compile(r"[0-9A-Za-z._-]{1,64}")}
"""FusionPBX takes a box by its number, `*99` in front."""


class PlanError(ValueError):
    """A dialplan cannot be made of this. `problems`: one line for each fault."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Plan(Struct, frozen=True, kw_only=True):
    """What an operator wants of the dialplan of one tenant."""

    tenant_id: TenantId
    context: str
    numbers: tuple[str, ...]
    """All numbers that the tenant's assistants answer."""
    service: str
    """`host:port` of the phone door as the switch reaches it; `a:8084|b:8084` tries the next."""
    only: str | None = None
    """Write an extension for this number alone."""
    pbx: Pbx = "fusionpbx"
    wire: Wire | None = None
    """How the audio is to go; as the service is set when None."""
    operator: str | None = None
    """Number within the context where a caller finds a person."""
    voicemail: str | None = None
    """Box for callers who get nobody."""
    fallback: str | None = None
    """Number within the context for calls that we cannot take; absent: the operator, the box, or the call ends."""


class Action(Struct, frozen=True):
    """One application of the dialplan, and what it is given."""

    application: str
    data: str = ""


class Extension(Struct, frozen=True):
    """One extension, entered when `expression` matches the number that was called. `number` is that of an assistant."""

    name: str
    expression: str
    actions: tuple[Action, ...]
    number: str | None = None


def extensions(plan: Plan, keys: KeyRing) -> tuple[Extension, ...]:
    """One extension for each number, one for each door, and last the one for doors unknown. Raises PlanError."""
    check(plan)
    numbers = plan.numbers if plan.only is None else (plan.only,)
    doors = _doors(plan)
    return (
        *(
            Extension(f"atende_{n}", f"^{re.escape(n)}$", (*_signed(plan, keys, n), *_ring(plan)), n)
            for n in numbers
        ),
        *(Extension(f"door_{door.value}", f"^door_{door.value}$", doors[door]) for door in DoorName),
        Extension(ANY_DOOR, "^door_", doors[DoorName.FAILED]),
    )  # fmt: skip


def check(plan: Plan) -> None:
    """Raises PlanError with every fault."""
    if problems := _problems(plan):
        raise PlanError(problems)


def hosts(plan: Plan) -> tuple[str, ...]:
    """Where the service is, without the ports."""
    return tuple(part.rpartition(":")[0] for part in plan.service.split("|"))


def is_off_host(plan: Plan) -> bool:
    """Whether the service is on another machine than the switch."""
    return not all(is_within(host, LOOPBACK) for host in hosts(plan))


def _signed(plan: Plan, keys: KeyRing, number: str) -> tuple[Action, ...]:
    facts = {
        TENANT_VARIABLE: plan.tenant_id,
        NUMBER_VARIABLE: number,
        SIGNATURE_VARIABLE: sign(keys, plan.tenant_id, number),
    }
    if plan.wire is not None:
        facts[WIRE_VARIABLE] = plan.wire
    return tuple(Action("set", f"{name}={value}") for name, value in facts.items())


def _ring(plan: Plan) -> tuple[Action, ...]:
    return Action("set", f"{AGAIN_AT}={plan.service}"), *_socket(plan, plan.service)


def _ring_again(plan: Plan) -> tuple[Action, ...]:
    """At the process that had the call; where that is gone, at any."""
    return _socket(plan, f"${{{AGAIN_AT}}}|{plan.service}")


def _socket(plan: Plan, service: str) -> tuple[Action, ...]:
    return (
        Action("set", "door=failed"),
        Action("set", "socket_resume=true"),
        Action("socket", f"{service} async full"),
        _transfer(plan, "door_${door}"),
    )


def _doors(plan: Plan) -> dict[DoorName, tuple[Action, ...]]:
    operator = (_transfer(plan, plan.operator),) if plan.operator else None
    fallback = (_transfer(plan, plan.fallback),) if plan.fallback else None
    box = _voicemail(plan, plan.voicemail) if plan.voicemail else None
    failed = fallback or operator or box or (Action("hangup", "NORMAL_TEMPORARY_FAILURE"),)
    return {
        DoorName.FAILED: failed,
        DoorName.BUSY: fallback or (Action("hangup", "USER_BUSY"),),
        DoorName.VOICEMAIL: box or failed,
        DoorName.OPERATOR: operator or failed,
        DoorName.AGAIN: _ring_again(plan),
    }


def _voicemail(plan: Plan, box: str) -> tuple[Action, ...]:
    if plan.pbx == "fusionpbx":
        return (_transfer(plan, f"*99{box}"),)
    return Action("answer"), Action("voicemail", f"default {plan.context} {box}"), Action("hangup", "NORMAL_CLEARING")


def _transfer(plan: Plan, number: str) -> Action:
    return Action("transfer", f"{number} XML {plan.context}")


def _problems(plan: Plan) -> list[str]:
    """Every fault. What passes here is data wherever a switch or a database reads it."""
    problems = []
    if not _UUID.fullmatch(plan.tenant_id):
        problems.append(f"{plan.tenant_id!r} is not a tenant's id")
    if not _CONTEXT.fullmatch(plan.context):
        problems.append(f"{plan.context!r} is not a context: letters, digits, '.', '_' and '-'")
    if not plan.numbers:
        problems.append("no assistant of the tenant answers a number")
    problems += [f"{n!r} is not a number: digits, * and #, perhaps a leading +" for n in plan.numbers
                 if not _NUMBER.fullmatch(n)]  # fmt: skip
    if plan.only is not None and plan.only not in plan.numbers:
        problems.append(f"no assistant of the tenant answers {plan.only!r}; there are {', '.join(plan.numbers)}")
    problems += [f"{part!r} is not host:port" for part in plan.service.split("|") if not is_reachable(part)]
    problems += _target_problems(plan, "operator", plan.operator) + _target_problems(plan, "fallback", plan.fallback)
    if plan.voicemail and not _BOX[plan.pbx].fullmatch(plan.voicemail):
        problems.append(f"{plan.voicemail!r} is not a voicemail box of {plan.pbx}")
    return problems


def _target_problems(plan: Plan, role: str, number: str | None) -> list[str]:
    if not number:
        return []
    if not _TARGET.fullmatch(number):
        return [f"the {role} {number!r} is not a number or a name that can be dialled"]
    if number in plan.numbers or number.startswith("door_"):
        return [f"the {role} cannot be {number}, which leads to us again: a call that we cannot take would go round"]
    return []


def is_reachable(part: str) -> bool:
    """Whether it is a `host:port` that a dialplan can name."""
    host, _, port = part.rpartition(":")
    return bool(_HOST.fullmatch(host)) and port.isascii() and port.isdecimal() and 0 < int(port) < 65536
