"""The calls that are live in this process, and what has been said in them so far."""

from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from base.clock import Clock
from base.ids import CallId, TenantId
from pipelines.calls import (
    Call,
    CallerSpeaking,
    ChangedOver,
    Closed,
    LiveEvent,
    Opened,
    Said,
    Understood,
    Waterfall,
)
from tenants.call_search import Cursor

MAX_TURNS: Final = 500
"""Of one call, the latest; a call of a thousand turns is no reason to hold all of them twice."""


class LiveTurn(Struct, frozen=True, kw_only=True):
    """One thing said, in the words of the record."""

    role: Literal["caller", "assistant"]
    text: str
    at: datetime
    """When it was understood, or had been said."""
    interrupted: bool = False
    waterfall: Waterfall | None = None
    """Of the assistant's answers."""


class LiveCallView(Struct, frozen=True, kw_only=True):
    """A live call at a glance."""

    call: Call
    revision: int
    """On which it runs now."""
    caller_speaking: bool
    turns: int
    """So far, those that were dropped among them."""


class LiveCallDetail(LiveCallView, frozen=True, kw_only=True):
    """A live call and its conversation."""

    transcript: tuple[LiveTurn, ...]
    """The latest turns, in the order in which they were known: what a speech-to-speech mind heard may come late."""
    dropped: int
    """Turns before these."""


class _Live:
    """What is known of one call."""

    def __init__(self, call: Call, max_turns: int) -> None:
        self.call: Final = call
        self.revision = call.revision
        self.speaking = False
        self.turns = 0
        self.transcript: Final[deque[LiveTurn]] = deque(maxlen=max_turns)

    def add(self, turn: LiveTurn) -> None:
        self.turns += 1
        self.transcript.append(turn)

    def view(self) -> LiveCallView:
        return LiveCallView(call=self.call, revision=self.revision, caller_speaking=self.speaking, turns=self.turns)

    def detail(self) -> LiveCallDetail:
        return LiveCallDetail(
            call=self.call,
            revision=self.revision,
            caller_speaking=self.speaking,
            turns=self.turns,
            transcript=tuple(self.transcript),
            dropped=self.turns - len(self.transcript),
        )


def newest(
    views: Iterable[LiveCallView], limit: int | None = None, before: Cursor | None = None
) -> tuple[LiveCallView, ...]:
    """At most so many (None: all), the newest first, those behind `before`: an order that no process has another of."""
    behind = None if before is None else (before.opened_at, before.call_id)
    found = sorted((view for view in views if behind is None or _place(view) < behind), key=_place, reverse=True)
    return tuple(found[:limit])


def _place(view: LiveCallView) -> tuple[datetime, CallId]:
    return view.call.opened_at, view.call.id


class LiveBoard:
    """Follows calls by their events. There are as many here as the process has sessions."""

    def __init__(self, clock: Clock, *, max_turns: int = MAX_TURNS) -> None:
        """`max_turns` are kept of each call."""
        self._clock = clock
        self._max_turns = max_turns
        self._calls: dict[CallId, _Live] = {}

    def feed(self, event: LiveEvent) -> None:
        """A `LiveFeed`: quick, and never raises. What is told of a call that is not live is passed over."""
        match event:
            case Opened(call=call):
                self._calls[call.id] = _Live(call, self._max_turns)
            case Closed(record=record):
                self._calls.pop(record.call.id, None)
            case _ if (live := self._calls.get(event.call_id)) is not None:
                self._note(live, event)

    def calls(
        self, tenant_id: TenantId | None, limit: int | None = None, before: Cursor | None = None
    ) -> tuple[LiveCallView, ...]:
        """The tenant's live calls, as `newest` has them; of all tenants when None."""
        views = (live.view() for live in self._calls.values() if tenant_id in (None, live.call.tenant_id))
        return newest(views, limit, before)

    def by_switch(self) -> Counter[str]:
        """How many live calls each PBX has here."""
        return Counter(live.call.switch for live in self._calls.values())

    def call(self, tenant_id: TenantId | None, call_id: CallId) -> LiveCallDetail | None:
        """A live call of the tenant, of any when None. None: there is none, or it is another tenant's."""
        live = self._calls.get(call_id)
        return live.detail() if live is not None and tenant_id in (None, live.call.tenant_id) else None

    def _note(self, live: _Live, event: LiveEvent) -> None:
        match event:
            case CallerSpeaking(speaking=speaking):
                live.speaking = speaking
            case ChangedOver(revision=revision):
                live.revision = revision
            case Understood(text=text):
                live.add(LiveTurn(role="caller", text=text, at=self._clock.now()))
            case Said(text=text, interrupted=interrupted, waterfall=waterfall):
                turn = LiveTurn(
                    role="assistant", text=text, at=self._clock.now(), interrupted=interrupted, waterfall=waterfall
                )
                live.add(turn)
