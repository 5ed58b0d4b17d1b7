"""A scripted FreeSWITCH: rings the service as a real one would, and measures what the caller hears.

Shares no code with `transports/`, so that it cannot share a mistake with it. What it does on the wire is what
FreeSWITCH 1.11.2 was recorded doing; the tests compare it with those recordings.

    async with Switch("127.0.0.1", 8084) as switch:
        result = await switch.call(Dialed(number="551140041234", variables={…}), question_and_answer((Path("q.wav"),)))
"""

from control.peer.call import PeerCall
from control.peer.clock import ReferenceClock, ReferenceReport
from control.peer.facts import Dialed
from control.peer.legs import Callee
from control.peer.result import CallResult, Downlink, Lateness, SpokenTurn, SwitchCrashed, Uplink, WireEvent
from control.peer.script import (
    Bursts,
    Codec,
    Decide,
    Dtmf,
    HangUp,
    Hears,
    Interrupt,
    Say,
    Script,
    ScriptError,
    Wait,
    WaitFor,
    Write,
    load_script,
    question_and_answer,
)
from control.peer.sound import Sound, SoundError, load_sound
from control.peer.switch import Switch, run_calls

__all__ = [
    "Bursts",
    "CallResult",
    "Callee",
    "Codec",
    "Decide",
    "Dialed",
    "Downlink",
    "Dtmf",
    "HangUp",
    "Hears",
    "Interrupt",
    "Lateness",
    "PeerCall",
    "ReferenceClock",
    "ReferenceReport",
    "Say",
    "Script",
    "ScriptError",
    "Sound",
    "SoundError",
    "SpokenTurn",
    "Switch",
    "SwitchCrashed",
    "Uplink",
    "Wait",
    "WaitFor",
    "WireEvent",
    "Write",
    "load_script",
    "load_sound",
    "question_and_answer",
    "run_calls",
]
