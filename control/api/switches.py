"""What the server's settings say of PBXs and of servers inside the network: for the platform's keys."""

from collections import Counter

from litestar import Controller, get
from msgspec import Struct

from control.api.access import platform_may_read
from control.api.given import Running
from control.api.pages import Page
from control.api.problems import answers
from transports.freeswitch.words import Wire


class SwitchView(Struct, frozen=True, kw_only=True):
    """One PBX of `ATENDE_SWITCHES`, or `default`."""

    name: str
    host: str
    port: int
    """Its event socket, which `atende doctor` asks."""
    has_password: bool
    peers: tuple[str, ...]
    """The networks that its calls' connections come from."""
    wire: Wire
    """How its calls' audio comes where the dialplan does not say."""
    media_host: str | None
    """Our address for its calls' audio; null: the one that a call came in on."""
    live_calls: int | None
    """In all processes, as they told last; null: the database does not tell those of the others."""
    tenants: int
    """Whose documents say that their calls come from it."""


class EndpointView(Struct, frozen=True, kw_only=True):
    """One name of `ATENDE_ENDPOINTS`, which documents write as `{endpoint: name}`."""

    name: str
    url: str


class SwitchesController(Controller):
    """`/switches`."""

    path = "/switches"
    tags = ("Server",)
    guards = (platform_may_read,)

    @get("/", summary="The PBXs that calls come from", responses=answers("forbidden"))
    async def switches(self, running: Running) -> Page[SwitchView]:
        """As the settings have them; a change of theirs needs a restart. Live calls are those of all processes."""
        live = await running.calls.by_switch()
        bound = Counter(entry.switch for entry in running.directory.tenants())
        settings = running.settings
        return Page(
            items=[
                SwitchView(
                    name=one.name,
                    host=one.host,
                    port=one.port,
                    has_password=bool(one.password),
                    peers=tuple(map(str, one.peers)),
                    wire=one.wire or settings.wires[0],
                    media_host=one.media_host or settings.media_host,
                    live_calls=None if live is None else live[one.name],
                    tenants=bound[one.name],
                )
                for one in settings.all_switches
            ]
        )


class EndpointsController(Controller):
    """`/endpoints`."""

    path = "/endpoints"
    tags = ("Server",)
    guards = (platform_may_read,)

    @get("/", summary="Servers that documents may name", responses=answers("forbidden"))
    async def endpoints(self, running: Running) -> Page[EndpointView]:
        """As the settings have them; a change of theirs needs a restart."""
        found = sorted(running.settings.endpoints.items())
        return Page(items=[EndpointView(name=name, url=url) for name, url in found])
