"""Many calls of one test module at once, each with a test of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio
from msgspec import structs

from base.ids import CallId, TenantId
from control.peer import Callee, Dialed, Script, WireEvent
from tests.calls.callers import document, tenant
from tests.calls.house import House, Rung, house
from transports.freeswitch.words import WIRE_VARIABLE

Dial = tuple[str, TenantId, Mapping[str, str]]
"""Number, tenant, channel variables beside the signed ones."""
Look = Callable[[House, TenantId, CallId, WireEvent], None]
"""Sees what happens in a call, and may do something about it."""


class Evening:
    """Calls of one test module that are all played at once, each to a tenant of its own.

    evening = Evening()

    @evening.caller(asks(SPEECH), llm={"answers": ["At nine."]})
    def test_it_is_answered(call: Rung) -> None: ...

    calls = evening.fixture()
    """

    def __init__(self, *, at_once: int = 100, **house: Any) -> None:
        """`at_once`: no more calls than this at a time, where what is measured is a matter of milliseconds."""
        self._at_once = at_once
        self._house = house
        self._scenes: dict[str, tuple[Script, bytes, Dial]] = {}
        self._looks: dict[str, Look] = {}
        self._callees: dict[str, Callee] = {}

    def caller(self, script: Script, **parts: Any) -> Callable[[Callable[[Rung], None]], Callable[..., Any]]:
        """A test that is given the call of a caller with this script; `parts` are the document's.

        Of the parts, `wire`, `codec` and `look` are the call's instead, and `callee` is who is at the company's
        extension 200.
        """

        def decorate(check: Callable[[Rung], None]) -> Callable[..., Any]:
            name = check.__name__
            self._add(name, script, parts)

            async def test(calls: Mapping[str, asyncio.Task[Rung]]) -> None:
                check(await calls[name])

            test.__name__, test.__doc__ = name, check.__doc__
            return test

        return decorate

    def callers(
        self, script: Script, cases: Mapping[str, Mapping[str, Any]]
    ) -> Callable[[Callable[[Rung, str], None]], Callable[..., Any]]:
        """A test for each of the cases, which are parts of documents; it is given the call and the case's name."""

        def decorate(check: Callable[[Rung, str], None]) -> Callable[..., Any]:
            for case, parts in cases.items():
                self._add(f"{check.__name__} {case}", script, parts)

            async def test(calls: Mapping[str, asyncio.Task[Rung]], case: str) -> None:
                check(await calls[f"{check.__name__} {case}"], case)

            test.__name__, test.__doc__ = check.__name__, check.__doc__
            return pytest.mark.parametrize("case", list(cases))(test)

        return decorate

    def _add(self, name: str, script: Script, parts: Mapping[str, Any]) -> None:
        place = len(self._scenes) + 1
        number, tenant_id = str(1000 + place), tenant(place)
        own = {key: part for key, part in parts.items() if key not in {"wire", "codec", "callee", "look"}}
        if "codec" in parts:
            script = structs.replace(script, codec=parts["codec"])
        if "callee" in parts:
            self._callees[f"user/200@t{place}.example.net"] = parts["callee"]
        if "look" in parts:
            self._looks[name] = parts["look"]
        variables = {WIRE_VARIABLE: parts["wire"]} if "wire" in parts else {}
        self._scenes[name] = (
            script,
            document(f"t{place}", tenant_id=tenant_id, number=number, **own),
            (number, tenant_id, variables),
        )

    def fixture(self) -> Any:
        """The module's fixture `calls`."""

        @pytest_asyncio.fixture(scope="module", loop_scope="module")
        async def calls() -> AsyncIterator[Mapping[str, asyncio.Task[Rung]]]:
            raws = [raw for _, raw, _ in self._scenes.values()]
            async with house(*raws, callees=self._callees, **self._house) as home:
                tasks: dict[str, asyncio.Task[Rung]] = {}
                room = asyncio.Semaphore(self._at_once)

                async def played(name: str, tenant_id: TenantId, script: Script, dialed: Dialed) -> Rung:
                    def look(event: WireEvent) -> None:
                        if name in self._looks:
                            self._looks[name](home, tenant_id, CallId(call.call_id), event)

                    async with room:
                        call = home.dial(script, dialed, on_event=look)
                        return await home.ring(call)

                for name, (script, _, (number, tenant_id, variables)) in self._scenes.items():
                    dialed = home.dialed(number, tenant_id=tenant_id, variables=variables)
                    tasks[name] = asyncio.create_task(played(name, tenant_id, script, dialed), name=name)
                    await asyncio.sleep(0.05)  # not all in one moment: callers do not come so
                yield tasks
                await asyncio.gather(*tasks.values(), return_exceptions=True)

        return calls
