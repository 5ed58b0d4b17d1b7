"""Several PBXs in the settings: what each is without more words, every fault at once, and nothing secret told."""

from ipaddress import ip_network

import pytest
from msgspec.structs import fields

from base.secret import Secret
from control.settings import SettingsError, load
from control.switches import _PARSERS as PARSERS
from control.switches import Switch, SwitchUnknownError, find
from transports.freeswitch.peers import LOOPBACK, PeerSwitch, switch_of

LAN = {"ATENDE_ESL_HOST": "10.77.0.2", "ATENDE_MEDIA_NETWORK": "10.77.0.0/24"}
TWO = LAN | {
    "ATENDE_SWITCHES": "matriz, filial-sul",
    "ATENDE_SWITCH_MATRIZ_HOST": "10.77.0.1",
    "ATENDE_SWITCH_FILIAL_SUL_HOST": "10.77.0.3",
}


def problems(**given: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(TWO | {f"ATENDE_{name}": value for name, value in given.items()})
    return list(caught.value.problems)


def test_every_field_but_the_name_can_be_set() -> None:
    assert set(PARSERS) == {field.name for field in fields(Switch)} - {"name"}


def test_without_names_there_is_one_switch_that_of_the_variables_without_a_name() -> None:
    [only] = load({})[0].all_switches
    assert (only.name, only.host, only.port, only.peers) == ("default", "127.0.0.1", 8021, LOOPBACK)
    given = {"ATENDE_SWITCH_HOST": "10.77.0.1", "ATENDE_SWITCH_PORT": "8029", "ATENDE_SWITCH_PASSWORD": "hush"}
    [only] = load(LAN | given | {"ATENDE_ESL_ALLOWED_CIDRS": "10.77.0.1/32"})[0].all_switches
    assert (only.host, only.port, only.password) == ("10.77.0.1", 8029, Secret("hush"))
    assert only.peers == (ip_network("10.77.0.1/32"),)
    assert only.variable("password") == "ATENDE_SWITCH_PASSWORD"


def test_a_name_and_an_address_are_a_switch() -> None:
    """Its calls come from its address: no list of who may connect is needed beside it."""
    settings, warnings = load(TWO)
    matriz, filial, default = settings.all_switches
    assert matriz == Switch(name="matriz", host="10.77.0.1", peers=(ip_network("10.77.0.1/32"),))
    assert (filial.name, filial.peers) == ("filial-sul", (ip_network("10.77.0.3/32"),))
    assert (default.name, default.peers) == ("default", LOOPBACK)
    assert warnings == []


def test_everything_else_may_be_said() -> None:
    more = {
        "ATENDE_WIRES": "unicast,audio_fork",
        "ATENDE_SWITCH_FILIAL_SUL_HOST": "pbx.filial.lan",
        "ATENDE_SWITCH_FILIAL_SUL_PORT": "8029",
        "ATENDE_SWITCH_FILIAL_SUL_USER": "ana@filial.lan",
        "ATENDE_SWITCH_FILIAL_SUL_PASSWORD": "hush",
        "ATENDE_SWITCH_FILIAL_SUL_PEERS": "10.78.0.0/24, 10.79.0.1/32",
        "ATENDE_SWITCH_FILIAL_SUL_DOOR": "10.78.0.2:8084|10.78.0.3:8084",
        "ATENDE_SWITCH_FILIAL_SUL_WIRE": "audio_fork",
        "ATENDE_SWITCH_FILIAL_SUL_MEDIA_HOST": "10.78.0.2",
    }
    settings, warnings = load(TWO | more)
    assert settings.switches[1] == Switch(
        name="filial-sul",
        host="pbx.filial.lan",
        port=8029,
        user="ana@filial.lan",
        password=Secret("hush"),
        peers=(ip_network("10.78.0.0/24"), ip_network("10.79.0.1/32")),
        door="10.78.0.2:8084|10.78.0.3:8084",
        wire="audio_fork",
        media_host="10.78.0.2",
    )
    assert warnings == []
    assert "hush" not in repr(settings)


def test_all_faults_are_told_at_once_with_variable_and_fix_but_no_secret() -> None:
    told = problems(
        SWITCHES="matriz,filial-sul,nova",
        SWITCH_MATRIZ_HOST="10.77.0.1:8021",
        SWITCH_MATRIZ_PORT="x",
        SWITCH_MATRIZ_PASSWORD="hush",
        SWITCH_FILIAL_SUL_HOST="pbx.lan",
        SWITCH_FILIAL_SUL_PASSWORD="hush",
        SWITCH_NOVA_PEERS="10.77.0.4",
        SWITCH_NOVA_WIRE="pigeon",
        SWITCH_NOVA_DOOR="10.77.0.2:0",
        SWITCH_NOVA_MEDIA_HOST="0.0.0.0",
        HTTP_PORT="eighty",
    )
    assert [problem.partition(":")[0] for problem in told] == [
        "ATENDE_HTTP_PORT",
        "ATENDE_SWITCH_MATRIZ_HOST",
        "ATENDE_SWITCH_MATRIZ_PORT",
        "ATENDE_SWITCH_FILIAL_SUL_PEERS",
        "ATENDE_SWITCH_NOVA_DOOR",
        "ATENDE_SWITCH_NOVA_WIRE",
        "ATENDE_SWITCH_NOVA_MEDIA_HOST",
    ]
    assert "because ATENDE_SWITCH_FILIAL_SUL_HOST is a name" in told[3]
    assert "hush" not in str(told)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("matriz,default", "default is the switch of ATENDE_SWITCH_HOST"),
        ("matriz,MATRIZ", "matriz is named twice"),
        ("pbx_1", "'pbx_1' is not a switch's name"),
        ("1a", "is not a switch's name"),
        ("a" * 33, "is not a switch's name"),
        ("x,x-media", "x and x-media would share ATENDE_SWITCH_X_MEDIA_HOST"),
    ],
)
def test_names_that_cannot_be(names: str, told: str) -> None:
    assert any(problem.startswith("ATENDE_SWITCHES: ") and told in problem for problem in problems(SWITCHES=names))


def test_a_switch_without_an_address_is_told_to_have_one() -> None:
    assert problems(SWITCHES="matriz,nova") == [
        "ATENDE_SWITCH_NOVA_HOST: must be given, e.g. 10.77.0.1: the address of that PBX"
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"SWITCH_FILIAL_SUL_PEERS": "10.77.0.0/24"},
            (
                "ATENDE_SWITCH_FILIAL_SUL_PEERS: 10.77.0.0/24 overlaps 10.77.0.1/32 of matriz; "
                "give the addresses from which this switch alone connects"
            ),
        ),
        (
            {"SWITCH_FILIAL_SUL_HOST": "10.77.0.1"},
            (
                "ATENDE_SWITCH_FILIAL_SUL_PEERS: 10.77.0.1/32 overlaps 10.77.0.1/32 of matriz; "
                "give the addresses from which this switch alone connects"
            ),
        ),
        (
            {"SWITCH_MATRIZ_WIRE": "audio_fork"},
            "ATENDE_SWITCH_MATRIZ_WIRE: audio_fork is not in ATENDE_WIRES; add it there",
        ),
        (
            {"SWITCH_MATRIZ_MEDIA_HOST": "192.0.2.1"},
            (
                "ATENDE_SWITCH_MATRIZ_MEDIA_HOST: 192.0.2.1 is no address in ATENDE_MEDIA_NETWORK; "
                "give the one that this machine has there"
            ),
        ),
        (
            {"SWITCH_MATRIZ_HOST": "10.78.0.1"},
            "ATENDE_MEDIA_NETWORK: 10.78.0.1/32 of matriz is not in it; add the network of that switch",
        ),
        (
            {"ESL_HOST": "127.0.0.1", "SWITCH_MATRIZ_HOST": "127.0.0.1"},
            (
                "ATENDE_ESL_HOST: 127.0.0.1 cannot be reached by filial-sul; "
                "give the address that this machine has there, or 0.0.0.0"
            ),
        ),
    ],
)
def test_what_cannot_be_together_stops_the_start(given: dict[str, str], told: str) -> None:
    assert problems(**given) == [told]


def test_a_switch_on_a_wire_of_its_own_needs_no_place_in_the_media_network() -> None:
    forks = {"ATENDE_WIRES": "unicast,audio_fork", "ATENDE_SWITCH_MATRIZ_WIRE": "audio_fork"}
    assert load(TWO | forks | {"ATENDE_SWITCH_MATRIZ_HOST": "192.0.2.1"})[0].switches[0].host == "192.0.2.1"


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("ATENDE_SWITCH_MATRIZ_PEER", "did you mean ATENDE_SWITCH_MATRIZ_PEERS?"),
        ("ATENDE_SWITCH_MATIRZ_HOST", "did you mean ATENDE_SWITCH_MATRIZ_HOST?"),
        ("ATENDE_SWITCH_FILIAL_SUL_MEDIA_HOTS", "did you mean ATENDE_SWITCH_FILIAL_SUL_MEDIA_HOST?"),
        ("ATENDE_SWITCH_XY_ZZ_MEDIA_HOST", "name xy-zz in ATENDE_SWITCHES to have it"),
        ("ATENDE_SWITCH_HOTS", "did you mean ATENDE_SWITCH_HOST?"),
        ("ATENDE_SWICHES", "did you mean ATENDE_SWITCHES?"),
    ],
)
def test_unknown_variables_are_warned_about_with_the_nearest_name(variable: str, hint: str) -> None:
    assert load(TWO | {variable: "x"})[1] == [f"{variable} is unknown and ignored; {hint}"]


def test_a_call_s_switch_is_the_first_in_whose_networks_its_peer_lies() -> None:
    known = [PeerSwitch(name=switch.name, networks=switch.peers) for switch in load(TWO)[0].all_switches]
    found = [switch_of(host, known) for host in ("10.77.0.3", "10.77.0.1", "127.0.0.1", "10.77.0.4")]
    assert [switch and switch.name for switch in found] == ["filial-sul", "matriz", "default", None]


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    switches = load(TWO)[0].all_switches
    assert find("default", switches).name == "default"
    with pytest.raises(SwitchUnknownError, match=r"no switch 'matris' \(did you mean 'matriz'\?\)"):
        find("matris", switches)
