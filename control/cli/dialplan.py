"""`atende dialplan`: the files that send a tenant's calls to us, filled in and signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, get_args

import click
import msgspec

from control.cli.context import program
from control.cli.tenant_files import texts, where
from control.dialplan.fusionpbx import dialplan_sql
from control.dialplan.plan import Pbx, Plan, PlanError
from control.dialplan.switch_files import acl_xml, event_socket_xml, modules_xml
from control.dialplan.xml import dialplan_xml
from control.switches import Switch, SwitchUnknownError, find
from transports.freeswitch.peers import DEFAULT_SWITCH
from transports.freeswitch.words import WIRES

if TYPE_CHECKING:
    from control.settings import Settings
    from tenants.signing import KeyRing
    from tenants.spec import TenantSpec

_WRITERS: Final[dict[str, Callable[[Plan, Switch, Settings], str]]] = {
    "xml": lambda plan, _, settings: dialplan_xml(plan, _keys(settings)),
    "sql": lambda plan, _, settings: dialplan_sql(plan, _keys(settings)),
    "acl": lambda plan, switch, _: acl_xml(plan, switch),
    "event-socket": lambda plan, switch, _: event_socket_xml(plan, switch),
    "modules": lambda plan, _, settings: modules_xml(settings.wires if plan.wire is None else (plan.wire,)),
}


@click.command("dialplan")
@click.option("--tenant", required=True, help="Slug of a tenant document.")
@click.option("--switch", "named", help="The PBX that it is for, of ATENDE_SWITCHES (default: the tenant's own).")
@click.option("--number", "only", help="One number only (default: all numbers of the tenant's assistants).")
@click.option("--operator", help="Number where a caller finds a person.")
@click.option("--voicemail", help="Voicemail box for callers who get nobody.")
@click.option("--fallback", help="Number for calls that cannot be taken (default: the operator, or the box).")
@click.option(
    "--wire", type=click.Choice(WIRES), help="How the audio goes (default: as the switch or the service is set)."
)
@click.option("--service", help="host:port of the phone door as the switch reaches it (default: from the settings).")
@click.option("--context", "dialplan_context", help="Dialplan context (default: the tenant's domain).")
@click.option(
    "--pbx", type=click.Choice(get_args(Pbx)), default="fusionpbx", show_default=True, help="Whose dialplan it is."
)
@click.option(
    "--print",
    "what",
    type=click.Choice(tuple(_WRITERS)),
    default="xml",
    show_default=True,
    help="The dialplan as XML, or as SQL for FusionPBX; or the settings of the switch that go with it.",
)
@click.pass_context
def dialplan_command(
    context: click.Context,
    /,
    tenant: str,
    named: str | None,
    dialplan_context: str | None,
    service: str | None,
    wire: str | None,
    what: str,
    **options: str,
) -> None:
    """Print a tenant's dialplan: signed variables, the socket, and where a call goes on when we do not take it.

    Run it where the service runs, with its settings: the signatures are made with its key.
    """
    settings = program(context).settings
    spec = _tenant(tenant, settings)
    switch = _switch(spec, named, settings)
    written = {
        "tenant_id": spec.tenant_id,
        "context": dialplan_context or spec.domain,
        "numbers": [number for assistant in spec.assistants for number in assistant.numbers],
        "service": service or switch.door or _service(switch, settings),
        "wire": wire or switch.wire,
    }
    plan = msgspec.convert(written | options, Plan)
    try:
        click.echo(_WRITERS[what](plan, switch, settings))
    except PlanError as error:
        raise click.ClickException(str(error)) from error
    if settings.switches and named is None and spec.switch is None:
        names = ", ".join(settings.switch_names)
        click.echo(f"note: the tenant names no switch: printed for {switch.name}; --switch takes {names}", err=True)
    for hint in _hints(plan, settings) if what in {"xml", "sql"} else ():
        click.echo(f"note: {hint}", err=True)


def _hints(plan: Plan, settings: Settings) -> list[str]:
    """What works, and is probably not meant."""
    hints = []
    if plan.wire is not None and plan.wire not in settings.wires:
        hints.append(f"the service refuses these calls until ATENDE_WIRES names {plan.wire}")
    if not (plan.operator or plan.voicemail or plan.fallback):
        hints.append("a call that cannot be taken is ended: give --operator, --voicemail or --fallback")
    return hints


def _keys(settings: Settings) -> KeyRing:
    from tenants.keys import KeyFileError, signing_keys
    from tenants.signing import KeyFormatError

    try:
        return signing_keys(settings.data_dir, settings.signing_keys)
    except (KeyFileError, KeyFormatError) as error:
        raise click.ClickException(str(error)) from error


def _tenant(slug: str, settings: Settings) -> TenantSpec:
    from control.server_facts import server_facts
    from processors.plugins import PluginError, stages_with
    from tenants.document import parse_document
    from tenants.errors import DocumentError

    try:
        stages = stages_with(settings.plugins)
    except PluginError as error:
        raise click.ClickException(f"ATENDE_PLUGINS: {error}") from error
    # Whether the secrets are there is the service's concern; the endpoints are the settings'.
    server = server_facts(settings)
    broken = []
    for name, read in texts(settings):
        try:
            spec = parse_document(read(), name, stages, settings.switch_names, server=server).spec
        except DocumentError as error:
            broken.append(str(error))
            continue
        if spec.slug == slug:
            return spec
    raise click.ClickException("\n".join([f"no tenant {slug!r} in {where(settings)}", *broken]))


def _switch(spec: TenantSpec, named: str | None, settings: Settings) -> Switch:
    """The PBX that is asked for, or the tenant's own, or `default`."""
    if None not in {named, spec.switch} and named != spec.switch:
        raise click.ClickException(
            f"the document of {spec.slug} names the switch {spec.switch}, whose calls alone are taken: "
            "leave --switch out, or change the document"
        )
    try:
        return find(named or spec.switch or DEFAULT_SWITCH, settings.all_switches)
    except SwitchUnknownError as error:
        raise click.ClickException(str(error)) from error


def _service(switch: Switch, settings: Settings) -> str:
    """Where the switch finds our door, as far as the settings say."""
    if settings.esl_host in {"0.0.0.0", "::"}:  # noqa: S104 (compared, not bound)
        fix = "" if switch.name == DEFAULT_SWITCH else f", or give {switch.variable('door')}"
        raise click.ClickException(
            f"the phone door listens everywhere: say --service HOST:PORT as FreeSWITCH reaches it{fix}"
        )
    # A switch may take `localhost` for ::1, where nobody listens: the audio needs IPv4.
    host = "127.0.0.1" if settings.esl_host == "localhost" else settings.esl_host
    return f"{host}:{settings.esl_port}"
