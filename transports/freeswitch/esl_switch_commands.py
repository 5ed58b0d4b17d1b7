"""Everything that we can ask on an inbound connection to a switch, and nothing else.

As in `esl_commands`, a command is a value of a closed set; `esl_switch_encoding` makes its bytes.
"""

from enum import Enum

from msgspec import Struct

from base.ids import CallId
from base.secret import Secret
from transports.freeswitch.esl_values import Variable
from transports.freeswitch.words import Device, HangupCause, Route


class SwitchEvent(Enum):
    """Kinds of event of the whole switch that we ask for."""

    BACKGROUND_JOB = "BACKGROUND_JOB"
    CHANNEL_CREATE = "CHANNEL_CREATE"
    CHANNEL_PROGRESS = "CHANNEL_PROGRESS"
    CHANNEL_PROGRESS_MEDIA = "CHANNEL_PROGRESS_MEDIA"
    CHANNEL_ANSWER = "CHANNEL_ANSWER"
    CHANNEL_PARK = "CHANNEL_PARK"
    CHANNEL_EXECUTE = "CHANNEL_EXECUTE"
    CHANNEL_EXECUTE_COMPLETE = "CHANNEL_EXECUTE_COMPLETE"
    CHANNEL_BRIDGE = "CHANNEL_BRIDGE"
    CHANNEL_UNBRIDGE = "CHANNEL_UNBRIDGE"
    CHANNEL_HANGUP = "CHANNEL_HANGUP"
    CHANNEL_HANGUP_COMPLETE = "CHANNEL_HANGUP_COMPLETE"
    CHANNEL_DESTROY = "CHANNEL_DESTROY"
    DTMF = "DTMF"
    PLAYBACK_START = "PLAYBACK_START"
    PLAYBACK_STOP = "PLAYBACK_STOP"
    HEARTBEAT = "HEARTBEAT"
    # Behind CUSTOM, which `encode` puts before the first of them.
    STREAM_CONNECT = "mod_audio_stream::connect"
    STREAM_DISCONNECT = "mod_audio_stream::disconnect"
    STREAM_ERROR = "mod_audio_stream::error"
    STREAM_PLAY = "mod_audio_stream::play"
    STREAM_JSON = "mod_audio_stream::json"
    FORK_CONNECT = "mod_audio_fork::connect"
    FORK_CONNECT_FAILED = "mod_audio_fork::connect_failed"
    FORK_DISCONNECT = "mod_audio_fork::disconnect"
    FORK_KILL_AUDIO = "mod_audio_fork::kill_audio"


class Module(Enum):
    """Modules whose presence matters."""

    EVENT_SOCKET = "mod_event_socket"
    AUDIO_FORK = "mod_audio_fork"
    AUDIO_STREAM = "mod_audio_stream"
    SOFIA = "mod_sofia"
    DPTOOLS = "mod_dptools"
    VERTO = "mod_verto"
    XML_RPC = "mod_xml_rpc"


class Auth(Struct, frozen=True):
    """The switch's password."""

    password: Secret


class UserAuth(Struct, frozen=True):
    """A user of the directory, as `user@domain`, with its own password."""

    user: str
    password: Secret


class Events(Struct, frozen=True):
    """Ask for kinds of event, `plain` or `json`. Adds to those asked for before."""

    form: str
    classes: tuple[SwitchEvent, ...]


class NoEvents(Struct, frozen=True):
    """Ask for no events any more."""


class FilterCall(Struct, frozen=True):
    """Let only events of this channel through (and of other filters); takes away again with `remove`."""

    call_id: CallId
    remove: bool = False


class FilterEvent(Struct, frozen=True):
    """Let events of this kind through, whatever channel they are of."""

    kind: SwitchEvent
    remove: bool = False


class Version(Struct, frozen=True):
    """`FreeSWITCH Version 1.11.2-release+…`"""


class Status(Struct, frozen=True):
    """Up time, sessions and rates, for people."""


class HasModule(Struct, frozen=True):
    """`true` or `false`."""

    module: Module


class CodecList(Struct, frozen=True):
    """The codecs that are loaded, one a line."""


class EventSocketConfig(Struct, frozen=True):
    """The event socket's own configuration, as XML; the password stands in it."""


class IsLetIn(Struct, frozen=True):
    """`true` where an access list lets an address in. `access_list` is a name of the switch's, or a network."""

    address: str
    access_list: str


class CountChannels(Struct, frozen=True):
    """`N total.`"""


class CallExists(Struct, frozen=True):
    """`true` or `false`."""

    call_id: CallId


class GetVariable(Struct, frozen=True):
    """A channel variable's value; `_undef_` where it is not set."""

    call_id: CallId
    name: Variable


class SetVariables(Struct, frozen=True):
    """Set plain values at once."""

    call_id: CallId
    variables: tuple[tuple[Variable, str], ...]


class Kill(Struct, frozen=True):
    """Hang a channel up."""

    call_id: CallId
    cause: HangupCause


class BreakAll(Struct, frozen=True):
    """Stop the running file and forget the queued ones."""

    call_id: CallId


class SendDigits(Struct, frozen=True):
    """Send keys to the other end."""

    call_id: CallId
    digits: str


class Bridge(Struct, frozen=True):
    """Connect two channels."""

    one: CallId
    other: CallId


class Originate(Struct, frozen=True, kw_only=True):
    """Call a destination and park it: by `bgapi`, the result comes as the job's."""

    job_id: str
    call_id: CallId
    """Of the new channel."""
    destination: Device | Route
    variables: tuple[tuple[Variable, str], ...] = ()
    timeout_s: int = 30


class Leave(Struct, frozen=True):
    """End the connection in good order."""


SwitchCommand = (
    Auth | UserAuth | Events | NoEvents | FilterCall | FilterEvent | Version | Status | HasModule | CodecList
    | EventSocketConfig | IsLetIn | CountChannels | CallExists | GetVariable | SetVariables | Kill | BreakAll
    | SendDigits | Bridge | Originate | Leave
)  # fmt: skip
