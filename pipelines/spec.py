"""What an operator wrote about an assistant: frozen, typed, nothing alive."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from base.ids import AssistantName
from pipelines.spec_desk import KEPT, Key, KeySpec, Number, Sentence, Slug, Words

__all__ = [
    "AssistantSpec",
    "LimitsSpec",
    "Number",
    "ProcessorSpec",
    "Slug",
    "TextsSpec",
    "TransferSpec",
    "TurnSpec",
    "Uuid",
    "VadSpec",
]

Uuid = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z",
        description="a UUID such as 6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10",
    ),
]


Voice = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z", description="a voice's name")]


class ProcessorSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One node. Without `after` it follows the node above it; `after: []` starts a branch."""

    id: Slug
    """The stage's name in this pipeline."""
    use: str
    """A stage of the catalog such as `tts.kokoro`, or the `name` of one of the tenant's `providers`."""
    after: tuple[Slug, ...] | UnsetType = UNSET
    """The stages that come before this one, by their `id`; absent: the one above. An order, not a wire."""
    config: dict[str, Any] = field(default_factory=dict)
    """The stage's own settings, see there; they go before those of the provider that is named."""


class TextsSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The assistant's fixed sentences; what is not given comes from the language's own."""

    greeting: str | None = None
    """Said when the call is answered."""
    farewell: str | None = None
    """Said before the assistant hangs up."""
    reprompt: str | None = None
    """Said after a silence of the caller."""
    not_understood: str | None = None
    """Said when no words were understood."""
    unanswerable: str | None = None
    """The documents do not answer; tells how to reach a person."""
    confirm: Annotated[str, Meta(pattern=r"\{question\}")] | None = None
    """Asks whether `{question}` was meant; has to hold it."""
    operator: str | None = None
    """Said before the call is given to a person."""
    operator_away: str | None = None
    """Nobody of `transfer` could be had; the conversation goes on."""
    back: str | None = None
    """To a caller whom a person gave back, see `transfer.returns`; the conversation goes on."""
    anything_else: str | None = None
    """Asks whether there is more."""
    failure: str | None = None
    """We cannot go on; said before the dialplan's fall-back takes the call."""
    limit: str | None = None
    """The call has become too long; said before it ends."""
    disclosure: str | None = None
    """That it is a machine who speaks; said right after the greeting, in one breath with it."""
    outside_hours: Annotated[str | None, KEPT] = None
    """Said to who calls when nobody is there."""
    hold: Annotated[str | None, KEPT] = None
    """The answer takes longer than usual."""


class VadSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When the caller counts as speaking; goes into a `vad.silero` stage that does not say otherwise itself."""

    confidence: Annotated[float, Meta(ge=0.05, le=0.99)] | None = None
    """How sure the detector must be, 0 to 1; the stage's own when absent."""
    start_s: Annotated[float, Meta(ge=0.03, le=1.0)] | None = None
    """Speech without a gap before a start."""
    stop_s: Annotated[float, Meta(ge=0.03, le=3.0)] | None = None
    """Silence before a stop."""


class TurnSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Turn taking. Times in seconds."""

    wait_s: Annotated[float, Meta(ge=0.0, le=3.0)] = 0.4
    """Silence after the VAD's stop before the turn is the assistant's."""
    interruptible: bool = True
    """Whether the caller's voice stops the assistant's."""
    false_interruption_s: Annotated[float, Meta(ge=0.0, le=2.0)] = 0.7
    """The caller's voice over the assistant's holds the sentence at once. If it was no longer than this and had no
    words ("uhum" is none), the sentence goes on from the first word not heard whole, and it is no turn. 0: every voice
    interrupts for good.
    """
    mute_until_greeting_done: bool = False
    """Whether what the caller says over the greeting is passed over."""
    vad: VadSpec = VadSpec()
    smart_turn: Annotated[bool, KEPT] = False
    """Whether a model hears from the voice that the caller has finished."""
    min_words: Annotated[int, Meta(ge=0, le=10), KEPT] = 0
    """Words without which the caller's voice does not interrupt."""
    backchannels: Annotated[tuple[Words, ...], Meta(max_length=100), KEPT] = ()
    """More words that do not interrupt, beside the language's own ("uhum")."""
    patience: Annotated[Literal["quick", "normal", "elderly"], KEPT] = "normal"
    """A profile of waits for what this section does not say."""


class LimitsSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds of one assistant's calls."""

    max_concurrent_calls: Annotated[int, Meta(ge=1, le=10_000)] = 10
    """Of this assistant, in all processes together; who calls beyond goes on in the dialplan."""
    max_call_s: Annotated[float, Meta(ge=5, le=86_400)] = 600.0
    """After this the call is closed with the `limit` text."""
    max_turns: Annotated[int, Meta(ge=1, le=1000)] = 20
    """Turns of the caller after which the call is closed with the `limit` text."""
    silence_s: Annotated[float, Meta(ge=1, le=300)] = 10.0
    """Of the caller before the `reprompt` text."""
    reprompts: Annotated[int, Meta(ge=0, le=10)] = 2
    """How often it is said before the farewell."""
    answer_timeout_s: Annotated[float, Meta(ge=1, le=120)] = 12.0
    """The mind has this long to begin speaking before the failure sentence is said."""
    idle_s: Annotated[float, Meta(ge=5, le=3600)] | None = None
    """Without a word of the caller's or an answer to him before the farewell, also where his line is never silent (a
    television, music on hold); re-prompts do not count. Absent: only silence counts.
    """
    provider_rpm: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """Requests to hosted providers in a minute, of all this assistant's calls; several processes have a share each. One
    more is not sent: the caller hears the `failure` text, as where a provider fails, and the second time in a row goes
    on in the dialplan. In a trial (`canary`) it counts against nothing. Absent: no bound.
    """
    daily_minutes: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """Of this assistant's calls in a day of `time_zone`: who calls when they are used up goes on in the dialplan, and
    who talks then may end; absent: no bound."""
    daily_cost: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    """US dollars that hosted providers may cost in a day of `time_zone`, in this assistant's calls: who calls when they
    are used up goes on in the dialplan, and who talks then may end. The price of every stage has to be known. Absent:
    no bound.
    """


EXTENSION = r"[0-9*#]{1,20}"
RING_S = 25


class TransferSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a caller goes who wants a person."""

    to: Number
    """`ring`: an extension of the company's own domain (digits, * and #, 20 at most), whose telephones ring: no
    voicemail answers in its place. `blind`: any number as these telephones dial it: a ring group, a queue, one outside.
    """
    mode: Literal["ring", "blind"] = "ring"
    """`ring`: it is called while the caller stays with the assistant, who goes on when nobody answers. `blind`: the
    caller is sent there at once, and whether anybody answers is the dialplan's business.
    """
    ring_s: Annotated[int, Meta(ge=5, le=120)] | None = None
    """How long it rings, in seconds; 25 when absent. Of `ring` alone."""
    returns: bool = False
    """When the person has hung up the caller comes back to the assistant, who says `texts.back`; else the call ends.
    Of `ring` alone.
    """


class AssistantSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A persona that answers some numbers."""

    name: Slug
    """Called so in logs and records, and by the texts' `{assistant}`."""
    numbers: tuple[Number, ...]
    """What callers dial to have this assistant; each belongs to one assistant of the tenant."""
    id: Uuid | None = None
    """A UUID that stays when the name changes: live calls of an assistant that is renamed change over to it."""
    language: str | None = None
    """BCP 47 tag; the tenant's when absent."""
    voice: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z", description="a voice's name")] | None = (
        None
    )
    """For a `tts.*` stage that does not say otherwise itself; the language's own when absent."""
    instructions: str = ""
    """Who the assistant is and how it speaks, as a language model is told. `llm.grounded` has no use for it."""
    business_info: Annotated[dict[Words, Sentence], Meta(max_length=50)] = field(default_factory=dict)
    """Free facts (`parking: behind the house`), told to a language model behind the instructions."""
    forbidden_topics: Annotated[tuple[Words, ...], Meta(max_length=50)] = ()
    """What a language model is told never to talk about. It is told, not forced: a filter stage forces."""
    texts: TextsSpec = TextsSpec()
    turn: TurnSpec = TurnSpec()
    limits: LimitsSpec = LimitsSpec()
    transfer: TransferSpec | None = None
    """Absent: who wants a person goes on in the dialplan, at `door_operator`."""
    hours: Annotated[Slug | None, KEPT] = None
    """When somebody is there: the name of one of `hours`; always when absent."""
    keys: Annotated[dict[Key, KeySpec], KEPT] = field(default_factory=dict)
    """What the telephone's keys do during a conversation."""
    record: bool = True
    """Whether its calls are recorded, where the server records at all."""
    pipeline: tuple[ProcessorSpec, ...] | UnsetType = UNSET
    """The stages; absent = the built-in default graph."""

    @property
    def key(self) -> AssistantName:
        return AssistantName(self.name)
