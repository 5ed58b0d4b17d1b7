"""What a dialplan is made of, and what it is not made of."""

import re
from ipaddress import ip_network
from xml.etree import ElementTree as ET

import pytest

from base.ids import TenantId
from control.dialplan.fusionpbx import dialplan_sql
from control.dialplan.plan import PlanError, extensions, is_off_host
from control.dialplan.switch_files import PLACEHOLDER_PASSWORD, acl_xml, event_socket_xml, modules_xml
from control.dialplan.xml import dialplan_xml
from control.switches import Switch
from tenants.signing import verify
from tests.control.dialplan.plans import KEYS, plan
from transports.freeswitch.words import WIRE_VARIABLE, DoorName


def test_a_number_is_signed_before_the_socket_and_says_its_wire() -> None:
    made = extensions(plan(wire="audio_fork"), KEYS)
    for number, extension in zip(plan().numbers, made, strict=False):
        actions = [(action.application, action.data) for action in extension.actions]
        variables = dict(data.split("=", 1) for application, data in actions if application == "set")
        assert verify(KEYS, TenantId(variables["atende_tenant"]), number, variables["atende_sig"])
        assert variables["atende_number"] == number
        assert variables["atende_wire"] == variables[WIRE_VARIABLE] == "audio_fork"
        assert [application for application, _ in actions[:-2]] == ["set"] * 7
        assert actions[-2] == ("socket", f"{plan().service} async full")
        assert variables["atende_again_at"] == plan().service, "until a process has said where it is"
    unset = extensions(plan(), KEYS)[0].actions
    assert not any(action.data.startswith(WIRE_VARIABLE) for action in unset), "the service chooses"


def test_every_door_of_the_service_is_there_and_the_one_for_all_others_is_last() -> None:
    names = [extension.name for extension in extensions(plan(), KEYS)]
    assert names[3:] == [*(f"door_{door.value}" for door in DoorName), "door_other"]


def test_a_call_that_was_here_comes_back_to_its_own_process_and_where_that_is_gone_to_any() -> None:
    [again] = [extension for extension in extensions(plan(), KEYS) if extension.name == "door_again"]
    [socket] = [action.data for action in again.actions if action.application == "socket"]
    assert socket == f"${{atende_again_at}}|{plan().service} async full"
    assert not any(action.data.startswith("atende_again_at=") for action in again.actions), "what was said stays"


def test_odd_numbers_are_matched_as_they_are() -> None:
    found = [extension.expression for extension in extensions(plan(), KEYS)]
    assert [bool(re.search(regex, n)) for regex, n in zip(found, plan().numbers, strict=False)] == [True] * 3
    assert not re.search(found[1], "98")
    assert not re.search(found[1], "**98")


def test_one_number_alone() -> None:
    assert [e.number for e in extensions(plan(only="*98"), KEYS) if e.number] == ["*98"]


HOSTILE = [
    ("numbers", ("1000\"/><action application='system' data='id'/>",), "is not a number"),
    ("numbers", ("1000\n",), "is not a number"),
    ("numbers", ("${sip_to_user}",), "is not a number"),
    ("numbers", ("1'); DROP TABLE v_domains; --",), "is not a number"),
    ("numbers", (), "answers a number"),
    ("only", "2000", "no assistant of the tenant answers"),
    ("context", "a b", "is not a context"),
    ("context", "x' OR 'a'='a", "is not a context"),
    ("context", "${domain_name}", "is not a context"),
    ("tenant_id", "6f1d2c0a", "is not a tenant's id"),
    ("service", "127.0.0.1:8084 async full\napi bye", "is not host:port"),
    ("service", "127.0.0.1", "is not host:port"),
    ("service", "a:8084|b:0", "is not host:port"),
    ("operator", "1001 XML default", "can be dialled"),
    ("operator", "user/1001@${domain}", "can be dialled"),
    ("fallback", "-->", "can be dialled"),
    ("operator", "1000", "leads to us again"),
    ("fallback", "door_failed", "leads to us again"),
    ("voicemail", "20 21", "is not a voicemail box"),
    ("voicemail", "sales", "is not a voicemail box of fusionpbx"),
]


@pytest.mark.parametrize(("field", "value", "told"), HOSTILE)
def test_what_is_no_plain_word_is_refused(field: str, value: object, told: str) -> None:
    asked = plan(**{field: value})
    for write in (dialplan_xml, dialplan_sql) if field != "only" else (dialplan_xml,):
        with pytest.raises(PlanError, match=told):
            write(asked, KEYS)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(PlanError) as caught:
        dialplan_xml(plan(context="", operator="a b", voicemail="x"), KEYS)
    assert len(caught.value.problems) == 3


PBX = Switch(host="127.0.0.1")


def values(xml: str) -> dict[str, str]:
    return {param.attrib["name"]: param.attrib["value"] for param in ET.fromstring(xml).iter("param")}


def test_the_event_socket_is_open_to_loopback_or_to_the_list() -> None:
    near, far = plan(service="127.0.0.1:8084|localhost:8084"), plan(service="10.77.0.2:8084")
    assert (is_off_host(near), is_off_host(far)) == (False, True)
    assert values(event_socket_xml(near, PBX))["listen-ip"] == "127.0.0.1"
    assert values(event_socket_xml(near, PBX))["apply-inbound-acl"] == "loopback.auto"
    assert values(event_socket_xml(far, PBX))["apply-inbound-acl"] == "atende"
    assert values(event_socket_xml(far, PBX))["password"] == PLACEHOLDER_PASSWORD


def test_the_list_names_us_and_the_switch_itself_and_denies_the_rest() -> None:
    [found] = ET.fromstring(acl_xml(plan(service="10.77.0.2:8084|127.0.0.1:8084|10.77.0.3:8084"), PBX)).iter("list")
    assert found.attrib == {"name": "atende", "default": "deny"}
    assert [(node.attrib["type"], node.attrib["cidr"]) for node in found.iter("node")] == [
        ("allow", "127.0.0.0/8"),
        ("allow", "::1/128"),
        ("allow", "10.77.0.2/32"),
        ("allow", "10.77.0.3/32"),
    ]
    with pytest.raises(PlanError, match=r"'atende\.lan' is a name"):
        acl_xml(plan(service="atende.lan:8084"), PBX)


def test_a_named_switch_has_its_own_addresses_port_and_variable_in_its_files() -> None:
    far = plan(service="10.77.0.2:8084")
    peers = (ip_network("10.77.0.1/32"), ip_network("10.78.0.0/24"), ip_network("127.0.0.9/32"))
    filial = Switch(name="filial-sul", host="10.77.0.1", port=8029, peers=peers)
    cidrs = [node.attrib["cidr"] for node in ET.fromstring(acl_xml(far, filial)).iter("node")]
    assert cidrs == ["127.0.0.0/8", "::1/128", "10.77.0.1/32", "10.77.0.2/32"], "a network has other machines in it"
    printed = event_socket_xml(far, filial)
    assert values(printed)["listen-port"] == "8029"
    assert "ATENDE_SWITCH_FILIAL_SUL_PASSWORD" in printed


def test_modules_are_those_of_the_wires() -> None:
    def loaded(*wires: str) -> list[str]:
        return [load.attrib["module"] for load in ET.fromstring(modules_xml(wires)).iter("load")]  # type: ignore[arg-type]

    assert loaded("unicast") == ["mod_event_socket"]
    assert loaded("audio_fork", "unicast", "audio_stream") == ["mod_event_socket", "mod_audio_fork", "mod_audio_stream"]
