"""What an operator wrote about the desk: whom calls go to, when, and what the keys do."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

KEPT: Final = Meta(extra={"acted_on": False})
"""Marks a field that is checked and kept, and that nothing acts on yet: `atende check` and the docs say so."""

Slug = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_-]{0,62}\Z",
        description="a short name: lower case letters, digits, - and _, starting with a letter, 63 at most",
    ),
]
"""A short name: lower case letters, digits, `-` and `_`, starting with a letter."""

Number = Annotated[
    str,
    Meta(
        pattern=r"^\+?[0-9*#]{1,32}\Z",
        description="an extension or telephone number: digits, * and #, with or without a leading +, 32 at most",
    ),
]
"""An extension or a telephone number as the dialplan passes it on."""

Sentence = Annotated[
    str, Meta(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]{1,2000}\Z", description="a text of 1 to 2,000 characters")
]
"""What is said, or told to a language model."""

Words = Annotated[
    str,
    Meta(pattern=r"^[^\x00-\x1f\x7f\ud800-\udfff]{1,100}\Z", description="1 to 100 characters in one line"),
]
"""A name or a few words."""

Domain = Annotated[
    str,
    Meta(
        pattern=r"^(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9-]{1,63})*\Z",
        description="a domain name such as empresa.example.net, or an IPv4 address",
    ),
]

Time = Annotated[
    str,
    Meta(
        pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z",
        description="a time of the day from 00:00 to 24:00, such as 08:30",
    ),
]
Date = Annotated[
    str,
    Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\Z", description="a date such as 2026-12-24"),
]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", description="a country's two letters, such as BR")]
State = Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,3}\Z", description="a state's letters, such as SP")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Key = Annotated[str, Meta(pattern=r"^[0-9*#]\Z", description="a key of the telephone: 0 to 9, * or #")]


class KeySpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one key does."""

    do: Literal["operator", "hang_up", "repeat", "help", "say", "menu", "transfer"]
    """`operator`: to a person. `repeat`: the last answer again. `help`: what can be asked, and what the keys do."""
    to: Slug | None = None
    """The destination of `transfer`, or the menu of `menu`."""
    text: Sentence | None = None
    """What `say` says."""


class MenuSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A menu of keys, without any language model."""

    name: Slug
    """By which keys name it."""
    say: Sentence
    """The choices, as they are read to the caller."""
    keys: Annotated[dict[Key, KeySpec], Meta(min_length=1)]
    """What each key does."""
    wait_s: Annotated[float, Meta(ge=1, le=60)] = 6.0
    """For a key, after the choices were read."""
    tries: Annotated[int, Meta(ge=1, le=5)] = 2
    """How often the choices are read."""


class FallbackSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What happens when nobody could be had."""

    do: Literal["return", "message", "voicemail", "destination", "hang_up"] = "return"
    """`return`: the conversation goes on. `message`: one is taken."""
    to: Slug | None = None
    """Another destination, for `destination`."""


class DestinationSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A person or a group that calls can be passed to; a caller or a model only ever names it."""

    name: Slug
    """By which fallbacks, keys and language models name it."""
    number: Number
    """What is dialled: an extension, or for `external` a telephone number."""
    type: Literal["extension", "ring_group", "queue", "external", "voicemail"] = "extension"
    """What the number is on the PBX."""
    aliases: Annotated[tuple[Words, ...], Meta(max_length=50)] = ()
    """Other names by which callers ask for it."""
    department: Words | None = None
    """Where in the company it is."""
    role: Words | None = None
    """What it does there, as a caller would say."""
    context: Domain | None = None
    """The dialplan context; the tenant's domain when absent."""
    ring_s: Annotated[int, Meta(ge=5, le=120)] = 30
    """How long it rings before the fallback."""
    hours: Slug | None = None
    """When it may be called: the name of one of `hours`; always when absent."""
    priority: Annotated[int, Meta(ge=0, le=100)] = 50
    """Among several that fit, the highest goes first."""
    default: bool = False
    """Whom a caller gets who wants "somebody"; one destination at most."""
    fallback: FallbackSpec = FallbackSpec()


class OpenSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A time of opening on some days of the week. Two of them leave a lunch break between."""

    days: Annotated[tuple[Day, ...], Meta(min_length=1, max_length=7)]
    """On which it opens."""
    open: Time
    """From when somebody is there."""
    close: Time
    """Earlier than `open`: on the day after."""


class HolidaySpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A date with hours of its own."""

    date: Date
    """In the tenant's time zone."""
    name: Words | None = None
    """For people who read the document."""
    open: Time | None = None
    """Absent, with `close`: closed all day."""
    close: Time | None = None
    """Until when somebody is there."""


class HoursSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When somebody is there, in the tenant's time zone."""

    name: Slug
    """By which assistants and destinations name them."""
    weekly: Annotated[tuple[OpenSpec, ...], Meta(min_length=1, max_length=50)]
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", description="a country's two letters, such as BR")] | None = (
        None
    )
    """Whose public holidays count as closed (ISO 3166-1); none when absent."""
    state: State | None = None
    """Of that country, for its holidays too (ISO 3166-2, after the dash)."""
    dates: Annotated[tuple[HolidaySpec, ...], Meta(max_length=400)] = ()
    """Own dates; they go before the week and the public holidays."""
    when_closed: Literal["answer", "say", "message", "voicemail"] = "answer"
    """`answer`: as always. `say`: the assistant's `outside_hours` text, then goodbye."""
