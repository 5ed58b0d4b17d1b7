"""A connection to a switch's event socket.

One connection for each purpose: events must not wait behind a command, nor a command behind events. Every wait has a
limit; a switch that does not answer in time loses the connection, since all that follows would wait too.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final, TypeVar, cast

from msgspec import Struct

from transports.freeswitch.errors import LocalProtocolError, PhoneTimeoutError, RemoteProtocolError
from transports.freeswitch.esl import Event
from transports.freeswitch.esl_switch import Answer, Happened, JobDone, LoggedIn, Over, SwitchMachine, SwitchNews
from transports.freeswitch.esl_switch_commands import (
    Auth,
    Leave,
    Originate,
    SwitchCommand,
    UserAuth,
)

T = TypeVar("T")


class SwitchUnreachableError(Exception):
    """The switch cannot be reached, refuses us, or has gone; the message says which and never holds the password."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        """`refused`: wrong password, or its access list; trying again cannot mend that."""
        super().__init__(reason)
        self.refused = refused


class SwitchAddress(Struct, frozen=True, kw_only=True):
    """Where a switch's event socket is, and how we log in."""

    host: str
    port: int
    login: Auth | UserAuth


class SwitchLimits(Struct, frozen=True, kw_only=True):
    """How long is waited for the switch."""

    connect_timeout_s: float = 3.0
    """For TCP and the login together."""
    reply_timeout_s: float = 2.0
    max_events: int = 4096
    """Events that nobody has read; beyond that the oldest are dropped and counted."""


class SwitchClient(asyncio.Protocol):
    """One connection. Make it with `connect`; it is for one event loop.

    Replies cannot be mixed up: a command is written and its place taken in one step, and a waiter who is cancelled
    leaves the place taken. Closing order: `exit`, its answer (or the limit), TCP.
    """

    def __init__(self, address: SwitchAddress, limits: SwitchLimits) -> None:
        self._machine = SwitchMachine(address.login)
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._jobs: dict[str, asyncio.Future[JobDone]] = {}
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._logged_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over: Over | None = None
        self.closed: Final = asyncio.Event()
        self.dropped_events = 0

    @classmethod
    async def connect(cls, address: SwitchAddress, limits: SwitchLimits | None = None) -> "SwitchClient":
        """Connect and log in. Raises SwitchUnreachableError."""
        limits = limits or SwitchLimits()
        client = cls(address, limits)
        try:
            async with asyncio.timeout(limits.connect_timeout_s):
                await asyncio.get_running_loop().create_connection(lambda: client, address.host, address.port)
                await client._logged_in
        except TimeoutError as error:
            client._drop("no login in time")
            raise SwitchUnreachableError(f"no login within {limits.connect_timeout_s} s") from error
        except OSError as error:
            raise SwitchUnreachableError(f"cannot be reached: {error.strerror or error}") from error
        except BaseException:
            client._drop("given up")
            raise
        return client

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._publish(self._machine.receive(data))
        except RemoteProtocolError as error:
            self._drop(f"the switch broke the protocol: {error}")
            return
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._publish(self._machine.receive_eof("the socket was closed" if exc is None else "the socket broke"))

    # What callers use

    async def ask(self, command: SwitchCommand) -> Answer:
        """The switch's answer, good or bad.

        Raises SwitchUnreachableError when the connection has ended, LocalProtocolError for what may not be said, and
        PhoneTimeoutError after `reply_timeout_s`; the connection is closed then.
        """
        answer = self._said(command)
        try:
            async with asyncio.timeout(self._limits.reply_timeout_s):
                return await answer
        except TimeoutError as error:
            self._drop("an answer took too long")
            wish = type(command).__name__
            raise PhoneTimeoutError(f"{wish}: the switch did not answer in {self._limits.reply_timeout_s} s") from error

    async def originate(self, command: Originate, timeout_s: float) -> JobDone:
        """Call somebody; the result when it is known. Raises as `ask`, PhoneTimeoutError after `timeout_s` too."""
        result: asyncio.Future[JobDone] = asyncio.get_running_loop().create_future()
        self._jobs[command.job_id] = result
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self.ask(command)
                return await result if answer.ok else JobDone(command.job_id, False, answer.text)
        except TimeoutError as error:
            raise PhoneTimeoutError(f"originate: no result in {timeout_s} s") from error
        finally:
            del self._jobs[command.job_id]
            self._machine.forget_job(command.job_id)
            if result.done() and not result.cancelled():
                result.exception()  # looked at: nobody may be left to do it

    async def events(self) -> AsyncIterator[Event]:
        """Each event once, until the connection ends. For one reader at a time."""
        while (event := await self._events.get()) is not None:
            yield event
        self._events.put_nowait(None)

    async def close(self) -> None:
        """Leave in good order. Idempotent."""
        if self._machine.ready:
            with suppress(SwitchUnreachableError, PhoneTimeoutError, LocalProtocolError):
                await self.ask(Leave())
        self._drop("closed by us")

    def _said(self, command: SwitchCommand) -> asyncio.Future[Answer]:
        if self._over is not None:
            raise SwitchUnreachableError(self._over.reason)
        ticket = self._machine.ask(command)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[ticket] = answer
        self._flush()
        return answer

    def _flush(self) -> None:
        data = self._machine.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _drop(self, reason: str) -> None:
        self._publish(self._machine.receive_eof(reason))
        if self._transport is not None:
            self._transport.abort()

    def _publish(self, news: list[SwitchNews]) -> None:
        for item in news:
            match item:
                case Answer(ticket):
                    _settle(self._answers.pop(ticket, None), item)
                case JobDone(job_id):
                    _settle(self._jobs.get(job_id), item)
                case Happened(event):
                    self._keep(event)
                case LoggedIn():
                    _settle(self._logged_in, None)
                case Over():
                    self._end(item)

    def _keep(self, event: Event) -> None:
        if self._events.qsize() >= self._limits.max_events:
            self._events.get_nowait()
            self.dropped_events += 1
        self._events.put_nowait(event)

    def _end(self, over: Over) -> None:
        self._over = over
        waiters: list[asyncio.Future[Any]] = [self._logged_in, *self._answers.values(), *self._jobs.values()]
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(SwitchUnreachableError(over.reason, refused=over.refused))
        if self._logged_in.done() and not self._logged_in.cancelled():
            self._logged_in.exception()
        self._answers.clear()
        self._events.put_nowait(None)
        self.closed.set()
        if self._transport is not None:
            self._transport.close()


def _settle(waiter: "asyncio.Future[T] | None", value: T) -> None:
    """Give a waiter what it waits for; one that has given up gets nothing."""
    if waiter is not None and not waiter.done():
        waiter.set_result(value)
