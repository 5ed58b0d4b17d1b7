"""What counts as a text into a call, and the one shape of a text out of it, on every wire alike. Pure.

Out: `{"type":"json","data":{"text":"…"}}`. mod_audio_fork makes an event of it only with this type (recorded in
`tests/data/captures/audio_fork_8k_bidirectional.*`); the other wires pass on anything.
In: the bare words, or the same message. What begins with `{` is taken for nothing else: dialplans relay other things,
such as keys, the same way.
"""

from typing import Final, Literal

import msgspec
from msgspec import Struct

from transports.freeswitch.door_events import TextRefused
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.words import Text

MAX_TEXT_CHARS: Final = 4000
"""Of one text; some three minutes of reading aloud. A longer one is refused, not cut."""
MAX_RAW_CHARS: Final = 8 * MAX_TEXT_CHARS
"""As JSON may write it, six for one."""


class _Data(Struct, frozen=True):
    text: str


class _Message(Struct, frozen=True):
    type: Literal["json"]
    data: _Data


def text_of(raw: str) -> Text | TextRefused:
    """What somebody has written into the call, in one line; or why it is taken for nothing."""
    if len(raw) > MAX_RAW_CHARS:
        return TextRefused("too long")
    words = raw
    if raw.lstrip().startswith("{"):
        try:
            words = msgspec.json.decode(raw, type=_Message).data.text
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return TextRefused("another message")
    words = _in_one_line(words)
    if not words:
        return TextRefused("empty")
    return Text(words) if len(words) <= MAX_TEXT_CHARS else TextRefused("too long")


def message_of(text: str) -> str:
    """A text as it goes out: one line of JSON. Raises LocalProtocolError for one that is empty or too long."""
    words = _in_one_line(text)
    if not 1 <= len(words) <= MAX_TEXT_CHARS:
        raise LocalProtocolError(f"a text of {len(words)} characters; 1 to {MAX_TEXT_CHARS}")
    return msgspec.json.encode(_Message("json", _Data(words))).decode()


def _in_one_line(text: str) -> str:
    """White space of any kind becomes one space; what cannot be printed and is none goes, such as half a character."""
    return " ".join("".join(letter if letter.isprintable() or letter.isspace() else "" for letter in text).split())
