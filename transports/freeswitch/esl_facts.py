"""What the headers of an event socket say of a call. Pure."""

import string
from typing import Final

from transports.freeswitch.errors import LocalProtocolError, RemoteProtocolError
from transports.freeswitch.esl import Headers
from transports.freeswitch.esl_values import checked_call_id
from transports.freeswitch.words import Dtmf, Hello

_DIGITS: Final = frozenset(string.digits + "ABCD*#")
_DTMF_CLOCK_PER_MS: Final = 8
"""DTMF-Duration counts samples of 8 kHz, whatever the codec (1280 = 160 ms)."""
_RATES: Final = range(8000, 48001)
_BY_CALLER: Final = {
    "recv_bye": True,
    "recv_cancel": True,
    "send_bye": False,
    "send_refuse": False,
    "send_cancel": False,
}


def hello_of(headers: Headers) -> Hello:
    """The call that the reply to `connect` tells of. Raises RemoteProtocolError without a usable Unique-ID."""
    try:
        call_id = checked_call_id(headers.get("Unique-ID", ""))
    except LocalProtocolError as error:
        raise RemoteProtocolError(f"the reply to connect: {error}") from error
    return Hello(
        call_id=call_id,
        caller_number=headers.get("Caller-Caller-ID-Number", ""),
        caller_name=headers.get("Caller-Caller-ID-Name", ""),
        destination=headers.get("Caller-Destination-Number", ""),
        context=headers.get("Caller-Context", ""),
        answered=headers.get("Answer-State") == "answered",
        codec=read_codec_of(headers),
        sample_rate=read_rate_of(headers) or 0,
        variables={k.removeprefix("variable_"): v for k, v in headers.items() if k.startswith("variable_")},
    )


def read_codec_of(headers: Headers) -> str:
    """The read codec's name, such as PCMU; empty while the channel has none."""
    return headers.get("Channel-Read-Codec-Name", "")


def read_rate_of(headers: Headers) -> int | None:
    """The read codec's rate in Hz; None while the channel has no codec. Raises RemoteProtocolError."""
    text = headers.get("Channel-Read-Codec-Rate")
    if text is None:
        return None
    rate = _number(text, "Channel-Read-Codec-Rate")
    if rate not in _RATES or rate % 50:
        raise RemoteProtocolError(f"Channel-Read-Codec-Rate: {rate}")
    return rate


def sequence_of(headers: Headers) -> int:
    """The event's place among all that the switch made; 0 when it does not say."""
    text = headers.get("Event-Sequence", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 20 else 0


def digit_of(headers: Headers) -> Dtmf | None:
    """The key of a DTMF event; None for what is no key of a telephone (a hook flash)."""
    digit = headers.get("DTMF-Digit", "").upper()
    if digit not in _DIGITS:
        return None
    return Dtmf(digit, _number(headers.get("DTMF-Duration", "0"), "DTMF-Duration") // _DTMF_CLOCK_PER_MS)


def who_hung_up(headers: Headers) -> bool | None:
    """Whether the caller ended the call; None when FreeSWITCH does not say."""
    return _BY_CALLER.get(headers.get("variable_sip_hangup_disposition", ""))


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise RemoteProtocolError(f"{name}: {text[:40]!r}")
    return int(text)
