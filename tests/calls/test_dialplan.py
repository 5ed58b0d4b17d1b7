"""What `atende dialplan` prints is what the phone door lets in."""

import pytest

from control.dialplan.plan import Plan, Wire
from control.dialplan.xml import dialplan_xml
from control.peer import Dialed, HangUp, Script
from tests.calls.callers import NUMBER, TENANT, document, hears
from tests.calls.house import House, house
from tests.control.dialplan.walk import Context
from transports.freeswitch.words import WIRES


def dialed(home: House, wire: Wire | None) -> Dialed:
    """A call to the tenant's number, with the variables that the printed dialplan sets."""
    host, port = home.door.address
    plan = Plan(tenant_id=TENANT, context="us.example.net", numbers=(NUMBER,), service=f"{host}:{port}", wire=wire)
    actions = Context(dialplan_xml(plan, home.keys)).find(NUMBER)
    assert actions is not None
    assert ("socket", f"{host}:{port} async full") in actions
    variables = dict(data.split("=", 1) for application, data in actions if application == "set")
    return Dialed(number=NUMBER, variables=variables, context=plan.context)


@pytest.mark.parametrize("wire", [None, *WIRES])
async def test_a_call_by_the_printed_dialplan_is_answered(wire: Wire | None) -> None:
    async with house(document()) as home:
        call = await home.call(Script(steps=(hears(), HangUp()), limit_s=10), dialed(home, wire))
        assert call.heard() == ["Welcome to us"]
        assert call.result.hazards == ()
        assert home.media_server.taken == (wire in ("audio_fork", "audio_stream"))
