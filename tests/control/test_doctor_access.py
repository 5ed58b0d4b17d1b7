"""Whether strangers may command a switch, by what it tells of its own event socket."""

import pytest

from base.secret import Secret
from control.doctor import examine
from control.event_socket import STRANGERS
from control.settings import Settings
from control.switches import Switch
from tests.control.test_doctor import CODECS, VERSION, answers, settings
from tests.transports.freeswitch.test_esl_client import Seat, reply, response, switch

__all__ = ["settings"]

EVENT_SOCKET_CONF = """\
<configuration name="event_socket.conf" description="Socket Client">
  <settings>
    <param name="nat-map" value="false"></param>
    {listen}
    <param name="listen-port" value="8021"></param>
    <param name="password" value="hunter2hunter2&amp;x"></param>
    {acl}
  </settings>
</configuration>
"""
"""As `switch_xml_toxml` writes FreeSWITCH's own `event_socket.conf.xml`; not recorded."""


def event_socket_conf(listen: str = "", *lists: str) -> str:
    acl = "".join(f'<param name="apply-inbound-acl" value="{one}"></param>' for one in lists)
    return EVENT_SOCKET_CONF.format(listen=f'<param name="listen-ip" value="{listen}"></param>', acl=acl)


@pytest.mark.parametrize(
    ("configuration", "let_in", "level", "text"),
    [
        (event_socket_conf("127.0.0.1", "any"), "any", "ok", "listens at 127.0.0.1 alone"),
        (event_socket_conf(), "loopback.auto", "ok", "listens at 127.0.0.1 alone"),
        (event_socket_conf("::1"), "", "ok", "listens at ::1 alone"),
        (event_socket_conf("::"), "", "ok", "listens at ::, and loopback.auto keeps strangers out"),
        (event_socket_conf("0.0.0.0", "atende"), "lan", "ok", "listens at 0.0.0.0, and atende keeps strangers out"),
        (event_socket_conf("0.0.0.0", "any", "lan"), "any", "ok", "any, lan keeps strangers out"),
        (event_socket_conf("0.0.0.0", "any"), "any", "fail", "listens at 0.0.0.0, and any lets anybody in"),
        (event_socket_conf("10.77.0.1", "0.0.0.0/0"), "0.0.0.0/0", "fail", "and 0.0.0.0/0 lets anybody in"),
        (event_socket_conf("::", "any", "lan"), "any lan", "fail", "listens at ::, and any, lan lets anybody in"),
        (event_socket_conf("0.0.0.0", "a list"), "", "warn", "the switch does not tell its configuration"),
        ("can't find anything\n", "", "warn", "the switch does not tell its configuration"),
        ("<!DOCTYPE a []>" + event_socket_conf("127.0.0.1"), "", "warn", "does not tell its configuration"),
        ("<document/>", "", "warn", "does not tell its configuration"),
        ("<configuration", "", "warn", "does not tell its configuration"),
    ],
)  # fmt: skip
async def test_who_may_command_the_switch(
    settings: Settings, configuration: str, let_in: str, level: str, text: str
) -> None:
    """`let_in`: the lists that let in strangers, of either family."""
    strangers = " | ".join(f"{one} {name}" for one in STRANGERS for name in let_in.split())
    behave = answers(version=VERSION, show=CODECS, xml_locate=configuration, acl=strangers)
    async with switch(behave) as address:
        one = Switch(host="127.0.0.1", port=address.port, password=Secret("secret"))
        [finding] = [found async for found in examine(settings, one) if found.name == "event socket access"]
    assert finding.level == level
    assert text in finding.text
    assert "hunter2" not in str(finding)
    if level == "fail":
        assert "atende dialplan --print event-socket" in finding.fix


async def test_a_switch_that_does_not_say_whom_its_lists_let_in_is_not_called_well(settings: Settings) -> None:
    """A user of the directory may be allowed the configuration and not the lists."""
    tells = answers(xml_locate=event_socket_conf("::", "any"))

    async def behave(seat: Seat) -> None:
        say = seat.say

        def denied(*data: bytes) -> None:
            say(*(reply("-ERR permission denied") if item == response("false") else item for item in data))

        seat.say = denied  # type: ignore[method-assign]
        await tells(seat)

    async with switch(behave) as address:
        one = Switch(host="127.0.0.1", port=address.port, password=Secret("secret"))
        found = {finding.name: finding async for finding in examine(settings, one)}
    assert found["event socket access"].level == "warn"
    assert found["event socket"].level == "ok"


async def test_a_list_that_lets_in_one_family_alone_lets_strangers_in(settings: Settings) -> None:
    for stranger in STRANGERS:
        behave = answers(version=VERSION, xml_locate=event_socket_conf("::", "any"), acl=f"{stranger} any")
        async with switch(behave) as address:
            one = Switch(host="127.0.0.1", port=address.port, password=Secret("secret"))
            found = {finding.name: finding async for finding in examine(settings, one)}
        assert found["event socket access"].level == "fail"
