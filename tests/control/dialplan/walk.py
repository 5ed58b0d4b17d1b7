"""A small FreeSWITCH for dialplans: walks every way that a call may take, and says how each ends.

It knows what a real one does with the few applications that we use, takes the worst of what a service may do to the
socket, and fails on any way that leaves the caller in silence.
"""

import re
from collections.abc import Collection, Iterator
from xml.etree import ElementTree as ET

from transports.freeswitch.words import DoorName

Actions = list[tuple[str, str]]
DOORS = (*(door.value for door in DoorName), "one-of-a-newer-service")
"""What a service may have said where the call is to go on."""
MEDIA = {"answer", "pre_answer", "playback", "ring_ready"}
"""Applications that give a call media, or an answer, before the service has seen it."""


class FaultError(AssertionError):
    """A caller may be left alone on some way."""


class Context:
    """The extensions of one context, in order."""

    def __init__(self, xml: str) -> None:
        [context] = ET.fromstring(xml).iter("context")
        self.name = context.attrib["name"]
        self.extensions = [
            (extension.attrib["name"], condition.attrib["expression"], actions_of(condition))
            for extension in context.iter("extension")
            for condition in extension.iter("condition")
        ]

    def find(self, number: str) -> Actions | None:
        """The actions of the first extension that matches."""
        return next((actions for _, regex, actions in self.extensions if re.search(regex, number)), None)


def actions_of(element: ET.Element) -> Actions:
    return [(action.attrib["application"], action.attrib.get("data", "")) for action in element.iter("action")]


def endings(xml: str, number: str, outside: Collection[str] = ()) -> dict[str, set[str]]:
    """How calls to `number` may end, by the door that the service named. `outside`: numbers of other dialplans.

    The key `failed` holds the service that is away, that dies or that says nothing, too. Raises FaultError.
    """
    context = Context(xml)
    actions = context.find(number)
    if actions is None:
        raise FaultError(f"nobody answers {number}")
    return {door: set(_run(context, actions, door, frozenset(outside), ())) for door in DOORS}


def _run(context: Context, actions: Actions, said: str, outside: frozenset[str], way: tuple[str, ...]) -> Iterator[str]:
    """Endings of a call whose socket says `said` the first time, and then dies."""
    # Set when the number was entered; the channel keeps it.
    variables: dict[str, str] = {"atende_again_at": "10.0.0.9:40001"} if way else {}
    for application, data in actions:
        match application:
            case "set":
                name, _, value = data.partition("=")
                variables[name] = value
            case "socket":
                _check_socket(actions, variables, _expanded(data, variables))
                variables["door"] = said
            case "hangup":
                yield f"hangup {data}"
                return
            case "transfer":
                yield from _transfer(context, _expanded(data, variables), said, outside, way)
                return
            case "voicemail" if ("answer", "") in actions:
                yield f"voicemail {data}"
            case "answer":
                pass
            case _:
                raise FaultError(f"unknown application {application}")
    raise FaultError(f"the last action is {actions[-1]}: the caller is left alone")


def _transfer(context: Context, data: str, said: str, outside: frozenset[str], way: tuple[str, ...]) -> Iterator[str]:
    number, dialplan, name = data.split(" ")
    if (dialplan, name) != ("XML", context.name):
        raise FaultError(f"{data!r} leaves the context")
    actions = context.find(number)
    if actions is None:
        if number not in outside:
            raise FaultError(f"{number} leads nowhere")
        yield f"transfer {number}"
        return
    if number in way:
        raise FaultError(f"{number} is come to again on the way {way}")
    opens_again = any(application == "socket" for application, _ in actions)
    if opens_again and said != "again":
        raise FaultError(f"a call that was to go on at {said} comes to the socket again")
    # Each entry of the socket is a new one: the second dies, so that the way ends.
    yield from _run(context, actions, "failed" if opens_again else said, outside, (*way, number))


def _check_socket(actions: Actions, variables: dict[str, str], data: str) -> None:
    if variables.get("door") != "failed" or variables.get("socket_resume") != "true":
        raise FaultError("the socket is opened without a way out of it")
    if not re.fullmatch(r"[\w.-]+:\d+(\|[\w.-]+:\d+)* async full", data):
        raise FaultError(f"{data!r} is no socket of ours")
    if early := {application for application, _ in actions} & MEDIA:
        raise FaultError(f"{early} before the socket")
    if "send_silence_when_idle" in variables:
        raise FaultError("with send_silence_when_idle a caller hears nothing of unicast")


def _expanded(data: str, variables: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: variables.get(found[1], ""), data)
