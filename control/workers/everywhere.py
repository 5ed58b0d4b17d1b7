"""Live calls wherever they are: in this process, or in another that is asked for them."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec
import structlog

from base.ids import CallId, TenantId
from control.live_board import LiveBoard, LiveCallDetail, LiveCallView, newest
from control.live_sessions import TooMuchToSayError
from control.phone import PhoneDoor
from control.workers.internal import MISDIRECTED, PREFIX, Act
from control.workers.node_key import HEADER, signed
from control.workers.presence import Presence
from tenants.call_search import Cursor
from tenants.leases import ProcessRow
from tenants.roles import TAKE_CALLS

ASK_TIMEOUT_S: Final = 2.0
T = TypeVar("T")

log = structlog.get_logger()


class ProcessSilentError(Exception):
    """The process that has a call does not answer; the message says which, and what to look at."""

    def __init__(self, process: ProcessRow, *, late: bool, misdirected: bool = False) -> None:
        what = f"did not answer within {ASK_TIMEOUT_S:g} s" if late else "cannot be reached"
        fix = "look at its log" if late else "see that ATENDE_INTERNAL_HOST of its node can be reached from here"
        if misdirected:
            what = f"is not the one that answers at {process.url}"
            fix = "see that its node has an ATENDE_INTERNAL_HOST that is its own, and listens there"
        super().__init__(f"the process {process.role}-{process.slot} of node {process.node} {what}; {fix}")
        self.process = process
        self.late = late


class Neighbours:
    """The other processes, asked over HTTP. `close` it in the end."""

    def __init__(self, presence: Presence, key: bytes) -> None:
        self.presence = presence
        self._key = key
        self._client = httpx.AsyncClient(timeout=ASK_TIMEOUT_S, trust_env=False)

    async def close(self) -> None:
        """Idempotent."""
        await self._client.aclose()

    @property
    def with_calls(self) -> tuple[ProcessRow, ...]:
        """Those that may have calls."""
        return tuple(one for one in self.presence.others if one.role in TAKE_CALLS)

    async def ask(self, process: ProcessRow, method: str, path: str, body: bytes = b"") -> httpx.Response:
        """Its answer, whatever it says. Raises ProcessSilentError."""
        target, now = PREFIX + path, int(time.time())
        header = signed(self._key, process.id, method, target, body, at=now, nonce=secrets.token_hex(12))
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                url, headers = process.url + target, {HEADER: header}
                answer = await self._client.request(method, url, content=body, headers=headers)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ProcessSilentError(process, late=True) from error
        except httpx.HTTPError as error:
            raise ProcessSilentError(process, late=False) from error
        if answer.status_code == MISDIRECTED:
            raise ProcessSilentError(process, late=False, misdirected=True)
        if answer.status_code >= 500:
            raise ProcessSilentError(process, late=False)
        return answer


class Everywhere:
    """The live calls that this process knows of. Without `neighbours` they are its own."""

    def __init__(self, board: LiveBoard, phone: PhoneDoor, neighbours: Neighbours | None = None) -> None:
        self._board = board
        self._phone = phone
        self._neighbours = neighbours

    async def calls(
        self, tenant_id: TenantId | None, limit: int | None = None, before: Cursor | None = None
    ) -> tuple[tuple[LiveCallView, ...], int]:
        """The tenant's, or all, as `newest` has them; and how many processes did not tell theirs."""
        here = self._board.calls(tenant_id, limit, before)
        if self._neighbours is None:
            return here, 0
        behind = {} if before is None else {"before_at": before.opened_at.isoformat(), "before_id": before.call_id}
        path = "/live-calls" + _query(tenant=tenant_id, limit=limit, **behind)
        answers = await asyncio.gather(*(self._listed(one, path) for one in self._neighbours.with_calls))
        found = chain(here, *(answer or () for answer in answers))
        return newest(found, limit, before), sum(answer is None for answer in answers)

    async def by_switch(self) -> Counter[str] | None:
        """How many live calls each PBX has in all processes; None: it is not known of those of the others."""
        here = self._board.by_switch()
        if self._neighbours is None:
            return here
        elsewhere = await self._neighbours.presence.by_switch()
        return None if elsewhere is None else here + elsewhere

    async def call(self, tenant_id: TenantId | None, call_id: CallId) -> LiveCallDetail | None:
        """One call; None: there is none of the tenant's. Raises ProcessSilentError when its process does not say."""
        here = self._board.call(tenant_id, call_id)
        if here is not None or self._neighbours is None:
            return here
        path = f"/live-calls/{call_id}{_query(tenant=tenant_id)}"
        answer = await self._first(tenant_id, call_id, "GET", path)
        return None if answer is None else msgspec.json.decode(answer.content, type=LiveCallDetail)

    async def say(self, tenant_id: TenantId, call_id: CallId, text: str) -> bool:
        """See `LiveSessions.say`. Raises ProcessSilentError, too, as the others do."""
        if self._is_here(tenant_id, call_id):
            return self._phone.say(tenant_id, call_id, text)
        return await self._act(call_id, "say", Act(tenant_id=tenant_id, text=text))

    async def hang_up(self, tenant_id: TenantId, call_id: CallId) -> bool:
        """See `LiveSessions.hang_up`."""
        if self._is_here(tenant_id, call_id):
            return self._phone.hang_up(tenant_id, call_id)
        return await self._act(call_id, "hang-up", Act(tenant_id=tenant_id))

    async def transfer(self, tenant_id: TenantId, call_id: CallId, number: str) -> bool:
        """See `LiveSessions.transfer`."""
        if self._is_here(tenant_id, call_id):
            return self._phone.transfer(tenant_id, call_id, number)
        return await self._act(call_id, "transfer", Act(tenant_id=tenant_id, number=number))

    def _is_here(self, tenant_id: TenantId, call_id: CallId) -> bool:
        return self._neighbours is None or self._board.call(tenant_id, call_id) is not None

    async def _act(self, call_id: CallId, verb: str, wish: Act) -> bool:
        path, body = f"/live-calls/{call_id}/{verb}", msgspec.json.encode(wish)
        answer = await self._first(wish.tenant_id, call_id, "POST", path, body)
        if answer is None:
            return False
        if answer.status_code == 409:
            raise TooMuchToSayError(answer.text)
        if answer.status_code == 422:
            raise ValueError(answer.text)
        return True

    async def _listed(self, process: ProcessRow, path: str) -> Sequence[LiveCallView] | None:
        assert self._neighbours is not None
        try:
            answer = await self._neighbours.ask(process, "GET", path)
            return msgspec.json.decode(answer.raise_for_status().content, type=list[LiveCallView])
        except (ProcessSilentError, httpx.HTTPStatusError, msgspec.DecodeError) as error:
            log.warning("a process does not tell its live calls", process=process.id, error=str(error))
            return None

    async def _first(
        self, tenant_id: TenantId | None, call_id: CallId, method: str, path: str, body: bytes = b""
    ) -> httpx.Response | None:
        """The answer of the process that has the call, by its lease; of whichever has it where none is known to."""
        assert self._neighbours is not None
        owner = await self._neighbours.presence.owner(call_id, tenant_id)
        asked = (owner,) if owner is not None else self._neighbours.with_calls
        answers: list[Any] = await asyncio.gather(
            *(self._neighbours.ask(one, method, path, body) for one in asked), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, httpx.Response) and answer.status_code != 404:
                return answer
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return None


def _query(**facts: object) -> str:
    """What of them there is."""
    given = {name: value for name, value in facts.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
