"""What an operator wrote about an assistant: frozen, typed, nothing alive."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from base.ids import AssistantName

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


Uuid = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z",
        description="a UUID such as 6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10",
    ),
]


class ProcessorSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One node. Without `after` it follows the node above it; `after: []` starts a branch."""

    id: Slug
    use: str
    after: tuple[Slug, ...] | UnsetType = UNSET
    config: dict[str, Any] = field(default_factory=dict)


class TextsSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The assistant's fixed sentences; what is not given comes from the language's own."""

    greeting: str | None = None
    farewell: str | None = None
    reprompt: str | None = None
    not_understood: str | None = None
    unanswerable: str | None = None
    confirm: Annotated[str, Meta(pattern=r"\{question\}")] | None = None
    """Asks whether `{question}` was meant; has to hold it."""
    operator: str | None = None
    operator_away: str | None = None
    """Nobody of `transfer` could be had; the conversation goes on."""
    back: str | None = None
    """To a caller whom a person gave back, see `transfer.returns`; the conversation goes on."""
    anything_else: str | None = None
    failure: str | None = None


class TurnSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Turn taking. Times in seconds."""

    wait_s: Annotated[float, Meta(ge=0.0, le=3.0)] = 0.4
    """Silence after the VAD's stop before the turn is the assistant's."""
    interruptible: bool = True
    false_interruption_s: Annotated[float, Meta(ge=0.0, le=2.0)] = 0.7
    """The caller's voice over the assistant's holds the sentence at once. If it was no longer than this and had no
    words ("uhum" is none), the sentence goes on from the first word not heard whole, and it is no turn. 0: every voice
    interrupts for good.
    """
    mute_until_greeting_done: bool = False


class LimitsSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds of one assistant's calls."""

    max_concurrent_calls: Annotated[int, Meta(ge=1, le=10_000)] = 10
    max_call_s: Annotated[float, Meta(ge=5, le=86_400)] = 600.0
    max_turns: Annotated[int, Meta(ge=1, le=1000)] = 20
    silence_s: Annotated[float, Meta(ge=1, le=300)] = 10.0
    reprompts: Annotated[int, Meta(ge=0, le=10)] = 2
    answer_timeout_s: Annotated[float, Meta(ge=1, le=120)] = 12.0
    """The mind has this long to begin speaking before the failure sentence is said."""


EXTENSION = r"[0-9*#]{1,20}"
RING_S = 25


class TransferSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a caller goes who wants a person."""

    to: Number
    """`ring`: an extension of the company's own domain (`EXTENSION`), whose telephones ring: no voicemail answers in
    its place. `blind`: any number as these telephones dial it: a ring group, a queue, one outside.
    """
    mode: Literal["ring", "blind"] = "ring"
    """`ring`: it is called while the caller stays with the assistant, who goes on when nobody answers. `blind`: the
    caller is sent there at once, and whether anybody answers is the dialplan's business.
    """
    ring_s: Annotated[int, Meta(ge=5, le=120)] | None = None
    """How long it rings, in seconds, `RING_S` when absent. Of `ring` alone."""
    returns: bool = False
    """When the person has hung up the caller comes back to the assistant, who says `texts.back`; else the call ends.
    Of `ring` alone.
    """


class AssistantSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A persona that answers some numbers."""

    name: Slug
    numbers: tuple[Number, ...]
    id: Uuid | None = None
    """A UUID that stays when the name changes."""
    language: str | None = None
    """BCP 47 tag; the tenant's when absent."""
    instructions: str = ""
    texts: TextsSpec = TextsSpec()
    turn: TurnSpec = TurnSpec()
    limits: LimitsSpec = LimitsSpec()
    transfer: TransferSpec | None = None
    """Absent: who wants a person goes on in the dialplan, at `door_operator`."""
    record: bool = True
    pipeline: tuple[ProcessorSpec, ...] | UnsetType = UNSET
    """The stages; absent = the built-in default graph."""

    @property
    def key(self) -> AssistantName:
        return AssistantName(self.name)
