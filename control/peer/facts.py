"""What FreeSWITCH tells of a channel in the headers of its events, in the order in which it was recorded doing so."""

import time
from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from control.peer.script import Codec

SAFE = "!*,-./_()'$~"
"""What FreeSWITCH leaves alone beside letters and digits when it URL-encodes a header's value."""

Headers = list[tuple[str, str]]


class Dialed(Struct, frozen=True, kw_only=True):
    """Who rings whom, and what the dialplan has set before it opened the door."""

    number: str
    """The number that was dialled."""
    caller_number: str = "1001"
    caller_name: str = "Lab Caller"
    variables: Mapping[str, str] = {}
    """Channel variables set by the dialplan, in order (`atende_tenant`, `atende_number`, `atende_sig`, …)."""
    sip_headers: Mapping[str, str] = {}
    """`X-…` headers of the INVITE; become `variable_sip_h_X-…`."""
    context: str = "public"


def encode(value: str) -> str:
    """As FreeSWITCH URL-encodes (spaces as %20)."""
    return quote(value, safe=SAFE)


class Variables:
    """Channel variables: setting one again moves it to the end, as in FreeSWITCH."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def put(self, name: str, value: str) -> None:
        """Sets; an empty value unsets."""
        self._values.pop(name, None)
        if value:
            self._values[name] = value

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def update(self, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            self.put(name, value)

    def headers(self) -> Headers:
        return [(f"variable_{name}", value) for name, value in self._values.items()]

    def as_dict(self) -> dict[str, str]:
        return dict(self._values)


class Channel(Struct, kw_only=True):
    """The changing facts of one channel. Times in microseconds since 1970, 0 = not yet."""

    uuid: str
    dialed: Dialed
    codec: Codec
    created_us: int
    profile_us: int
    destination: str
    variables: Variables
    local_port: int
    state: str = "CS_EXECUTE"
    state_number: int = 4
    call_state: str = "RINGING"
    answer_state: str = "ringing"
    answered_us: int = 0
    media_us: int = 0
    cause: str = ""
    profile_index: int = 1
    transfer_source: str = ""
    rdnis: str = ""
    digits: str = ""

    @property
    def name(self) -> str:
        return f"sofia/internal/{self.dialed.caller_number}@127.0.0.1"

    @property
    def has_media(self) -> bool:
        return self.media_us != 0

    def basics(self) -> Headers:
        """Those that every channel event has."""
        headers = [
            ("Channel-State", self.state),
            ("Channel-Call-State", self.call_state),
            ("Channel-State-Number", str(self.state_number)),
            ("Channel-Name", self.name),
            ("Unique-ID", self.uuid),
            ("Call-Direction", "inbound"),
            ("Presence-Call-Direction", "inbound"),
            ("Channel-HIT-Dialplan", "true"),
            ("Channel-Call-UUID", self.uuid),
            ("Answer-State", self.answer_state),
        ]
        if self.cause:
            headers.append(("Hangup-Cause", self.cause))
        if self.has_media:
            for way in ("Read", "Write"):
                headers += [
                    (f"Channel-{way}-Codec-Name", self.codec.wire_name),
                    (f"Channel-{way}-Codec-Rate", str(self.codec.sample_rate)),
                    (f"Channel-{way}-Codec-Bit-Rate", str(self.codec.bit_rate)),
                ]
        return headers

    def profile(self, prefix: str) -> Headers:
        """The caller profile, under `Caller` or (in the reply to `connect`) `Channel` too."""
        dialed = self.dialed
        pairs = [
            ("Direction", "inbound"),
            ("Logical-Direction", "inbound"),
            ("Username", dialed.caller_number),
            ("Dialplan", "XML"),
            ("Caller-ID-Name", dialed.caller_name),
            ("Caller-ID-Number", dialed.caller_number),
            ("Orig-Caller-ID-Name", dialed.caller_name),
            ("Orig-Caller-ID-Number", dialed.caller_number),
            ("Network-Addr", "127.0.0.1"),
            ("ANI", dialed.caller_number),
            ("Destination-Number", self.destination),
            ("Unique-ID", self.uuid),
            ("Source", "mod_sofia"),
            ("Transfer-Source", self.transfer_source),
            ("Context", dialed.context),
            ("RDNIS", self.rdnis),
            ("Channel-Name", self.name),
            ("Profile-Index", str(self.profile_index)),
            ("Profile-Created-Time", str(self.profile_us)),
            ("Channel-Created-Time", str(self.created_us)),
            ("Channel-Answered-Time", str(self.answered_us)),
            ("Channel-Progress-Time", "0"),
            ("Channel-Progress-Media-Time", str(self.media_us)),
        ]
        zeros = ("Hangup-Time", "Transfer-Time", "Resurrect-Time", "Bridged-Time", "Last-Hold", "Hold-Accum")
        pairs += [(f"Channel-{name}", "0") for name in zeros]
        pairs += [("Screen-Bit", "true"), ("Privacy-Hide-Name", "false"), ("Privacy-Hide-Number", "false")]
        return [(f"{prefix}-{name}", value) for name, value in pairs if value]


def stamps(now_us: int) -> Headers:
    """Event-Date-*: local time, GMT and microseconds."""
    seconds = now_us / 1_000_000
    return [
        ("Event-Date-Local", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))),
        ("Event-Date-GMT", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))),
        ("Event-Date-Timestamp", str(now_us)),
    ]
