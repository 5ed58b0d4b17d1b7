"""The settings of FreeSWITCH that have to do with us: who may command it, and which modules it needs."""

import ipaddress
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import quoteattr

from control.dialplan.plan import Plan, PlanError, check, hosts, is_off_host
from control.switches import Switch
from transports.freeswitch.peers import LOOPBACK
from transports.freeswitch.words import Wire

ACL: Final = "atende"
PLACEHOLDER_PASSWORD: Final = "CHANGE-ME"  # noqa: S105 - to be replaced; the doctor refuses it
_MODULES: Final[dict[Wire, str]] = {"audio_fork": "mod_audio_fork", "audio_stream": "mod_audio_stream"}


def acl_xml(plan: Plan, switch: Switch) -> str:
    """The list of those who may command the switch: itself and us. Raises PlanError for a host that is no address."""
    check(plan)
    found = {host: _cidr(host) for host in hosts(plan)}
    if named := [host for host, cidr in found.items() if cidr is None]:
        raise PlanError([f"an access list is made of addresses, and {host!r} is a name" for host in named])
    others = [cidr for cidr in found.values() if cidr is not None and not cidr.is_loopback]
    # A wider one has other machines in it.
    its_own = [peer for peer in switch.peers if peer.num_addresses == 1 and not peer.is_loopback]
    cidrs = dict.fromkeys([*LOOPBACK, *its_own, *others])
    nodes = "\n".join(f'      <node type="allow" cidr="{cidr}"/>' for cidr in cidrs)
    return f"""\
<!-- Add this list to yours, then `reloadacl`. FusionPBX has its lists in the database: Advanced, Access Controls. -->
<configuration name="acl.conf" description="Network Lists">
  <network-lists>
    <list name="{ACL}" default="deny">
{nodes}
    </list>
  </network-lists>
</configuration>"""


def event_socket_xml(plan: Plan, switch: Switch) -> str:
    """Where the switch takes commands, from whom, and with which password. Raises PlanError."""
    check(plan)
    listen, acl = ("0.0.0.0", ACL) if is_off_host(plan) else ("127.0.0.1", "loopback.auto")  # noqa: S104 - the switch's
    return f"""\
<!-- Choose a password of 16 characters or more. The same one goes to {switch.variable("password")}, and in FusionPBX to
     switch.event_socket.password of /etc/fusionpbx/config.conf. Then restart FreeSWITCH when no call is up. -->
<configuration name="event_socket.conf" description="Socket Client">
  <settings>
    <param name="nat-map" value="false"/>
    <param name="listen-ip" value="{listen}"/>
    <param name="listen-port" value="{switch.port}"/>
    <param name="password" value="{PLACEHOLDER_PASSWORD}"/>
    <param name="apply-inbound-acl" value="{acl}"/>
  </settings>
</configuration>"""


def modules_xml(wires: Sequence[Wire]) -> str:
    """The modules that these wires need."""
    names = ["mod_event_socket", *dict.fromkeys(_MODULES[wire] for wire in wires if wire in _MODULES)]
    loads = "\n".join(f"    <load module={quoteattr(name)}/>" for name in names)
    return f"""\
<!-- Lines to add to yours where they are missing: this is not a whole file. In FusionPBX: Advanced, Modules. -->
<configuration name="modules.conf" description="Modules">
  <modules>
{loads}
  </modules>
</configuration>"""


def _cidr(host: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None
