"""What an operator may do to a live call: have something said, hang up, send the caller on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from base.ids import CallId, TenantId
from pipelines.calls import Call
from pipelines.session import CallSession

log = structlog.get_logger()

MAX_SAID_CHARS: Final = 500
"""Of one sentence of an operator."""


def _commands(letter: str) -> bool:
    """Whether it is for a terminal, not for a voice: what is said is shown to people and kept in records."""
    return not letter.isprintable() and not letter.isspace()


class TooMuchToSayError(Exception):
    """The assistant has not come to say yet what it was asked to say before."""


class LiveSessions:
    """The sessions of this process by their records' ids.

    Each verb is told whose call it is to be, and returns whether there is such a call: False of one that is another
    tenant's, that is over, or of which the end is decided; then nothing happens. None of them waits.
    """

    def __init__(self) -> None:
        self._sessions: dict[CallId, tuple[Call, CallSession]] = {}

    @contextmanager
    def live(self, call: Call, session: CallSession) -> Iterator[None]:
        """A call is here until the block ends."""
        self._sessions[call.id] = call, session
        try:
            yield
        finally:
            del self._sessions[call.id]

    def end(self, reason: str) -> None:
        """End all of them; see `CallSession.end`."""
        for _, session in self._sessions.values():
            session.end(reason)

    def take_leave(self) -> None:
        """All of them, politely; see `CallSession.take_leave`."""
        for _, session in self._sessions.values():
            session.take_leave()

    def say(self, tenant_id: TenantId, call_id: CallId, text: str) -> bool:
        """The assistant says this as soon as nobody speaks and the caller has been answered; it can be interrupted.

        Not in a call that takes leave. Raises ValueError for a text without words, with control characters, or with
        more than `MAX_SAID_CHARS` characters, TooMuchToSayError when too many wait.
        """
        if len(text) > MAX_SAID_CHARS or not any(map(str.isalnum, text)) or any(map(_commands, text)):
            raise ValueError(f"expected words to say, {MAX_SAID_CHARS} characters at most and no control characters")
        if (session := self._find(tenant_id, call_id)) is None:
            return False
        if not session.say(text):
            raise TooMuchToSayError("the call has not been quiet long enough to say what waits already")
        log.info("an operator has something said", tenant=tenant_id, call=call_id)
        return True

    def hang_up(self, tenant_id: TenantId, call_id: CallId) -> bool:
        """End the call at once and normally; its record ends as `ended_by_operator`."""
        if (session := self._find(tenant_id, call_id)) is None:
            return False
        session.hang_up()
        log.info("an operator hung up", tenant=tenant_id, call=call_id)
        return True

    def transfer(self, tenant_id: TenantId, call_id: CallId, number: str) -> bool:
        """Send the caller on at once, as `transfer` with `mode: blind` does; the record ends as `transferred`.

        Raises ValueError, with what will do, for a number that the document of this call could not name there.
        """
        if (session := self._find(tenant_id, call_id)) is None:
            return False
        session.transfer(number)
        log.info("an operator sent a caller on", tenant=tenant_id, call=call_id)
        return True

    def _find(self, tenant_id: TenantId, call_id: CallId) -> CallSession | None:
        call, session = self._sessions.get(call_id, (None, None))
        if call is None or session is None or call.tenant_id != tenant_id or session.decided:
            return None
        return session
