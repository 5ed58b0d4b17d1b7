"""`atende dialplan`: the lines that send a tenant's numbers to us, signed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import click
from msgspec import Struct

from base.ids import TenantId
from control.cli.context import program
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, KeyRing, sign
from transports.freeswitch.words import WIRES

if TYPE_CHECKING:
    from control.settings import Settings
    from tenants.spec import TenantSpec


class Plan(Struct, frozen=True, kw_only=True):
    """What the dialplan of one tenant is made of."""

    tenant_id: TenantId
    context: str
    numbers: tuple[str, ...]
    service: str
    """`host:port` of the phone door as FreeSWITCH reaches it; `a:8084|b:8084` tries the next."""
    operator: str | None = None
    """Number that `door_operator` transfers to, within the context."""
    wire: str | None = None
    """How the audio is to go; as the service is set when None."""
    voicemail: str | None = None
    """Box that `door_voicemail` records for."""


@click.command("dialplan")
@click.option("--tenant", required=True, help="Slug of a tenant document.")
@click.option("--number", help="One number only (default: all numbers of the tenant's assistants).")
@click.option("--context", "dialplan_context", help="Dialplan context (default: the tenant's domain).")
@click.option("--service", help="host:port of the phone door as FreeSWITCH reaches it (default: from the settings).")
@click.option("--operator", help="Number to which a caller goes who wants a person.")
@click.option("--wire", type=click.Choice(WIRES), help="How the audio goes (default: as the service is set).")
@click.option("--voicemail", help="Voicemail box for callers who get nobody.")
@click.pass_context
def dialplan_command(context: click.Context, /, tenant: str, dialplan_context: str | None, **options: str) -> None:
    """Print the FreeSWITCH dialplan of a tenant: signed variables, the socket, and the fall-back doors."""
    from tenants.keys import KeyFileError, signing_keys
    from tenants.signing import KeyFormatError

    settings = program(context).settings
    spec = _tenant(tenant, settings)
    plan = Plan(
        tenant_id=spec.tenant_id,
        context=dialplan_context or spec.domain,
        numbers=_numbers(spec, options["number"]),
        service=options["service"] or _service(settings),
        operator=options["operator"],
        wire=options["wire"],
        voicemail=options["voicemail"],
    )
    try:
        keys = signing_keys(settings.data_dir, settings.signing_keys)
    except (KeyFileError, KeyFormatError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(dialplan_xml(plan, keys))


def dialplan_xml(plan: Plan, keys: KeyRing) -> str:
    """A context with one extension per number and one per door.

    `door` says what runs when the socket ends; it is `failed` before we say otherwise, so that a service
    that is away, hangs up or dies leads there too. There is no `answer` before the socket: a refused call
    stays unanswered, and with `send_silence_when_idle` the caller would hear nothing of us.
    """
    numbers = [_extension(f"atende_{number}", number, [*_signed(plan, keys, number), *_ring(plan)])
               for number in plan.numbers]  # fmt: skip
    doors = [_extension(f"door_{name}", f"door_{name}", actions) for name, actions in _doors(plan).items()]
    body = "\n".join([*numbers, *doors])
    return f"<include>\n  <context name={quoteattr(plan.context)}>\n{body}\n  </context>\n</include>"


Action = tuple[str, str]


def _signed(plan: Plan, keys: KeyRing, number: str) -> list[Action]:
    signature = sign(keys, plan.tenant_id, number)
    facts: dict[str, str] = {TENANT_VARIABLE: plan.tenant_id, NUMBER_VARIABLE: number, SIGNATURE_VARIABLE: signature}
    if plan.wire is not None:
        facts["atende_wire"] = plan.wire
    return [("set", f"{name}={value}") for name, value in facts.items()]


def _ring(plan: Plan) -> list[Action]:
    return [
        ("set", "door=failed"),
        ("set", "socket_resume=true"),
        ("socket", f"{plan.service} async full"),
        ("transfer", f"door_${{door}} XML {plan.context}"),
    ]


def _doors(plan: Plan) -> dict[str, list[Action]]:
    """Where a call goes on. Without an operator or a voicemail box those doors end the call as `failed` does."""
    failed: list[Action] = [("hangup", "NORMAL_TEMPORARY_FAILURE")]
    operator: list[Action] = [("transfer", f"{plan.operator} XML {plan.context}")] if plan.operator else failed
    voicemail: list[Action] = [
        ("answer", ""),
        ("voicemail", f"default {plan.context} {plan.voicemail}"),
    ]
    return {
        "failed": failed,
        "busy": [("hangup", "USER_BUSY")],
        "voicemail": voicemail if plan.voicemail else failed,
        "operator": operator,
        "again": _ring(plan),
    }


def _extension(name: str, number: str, actions: Sequence[Action]) -> str:
    lines = [
        f"        <action application={quoteattr(application)}" + (f" data={quoteattr(data)}" if data else "") + "/>"
        for application, data in actions
    ]
    expression = quoteattr(f"^{re.escape(number)}$")
    return "\n".join(
        [
            f"    <extension name={quoteattr(name)}>",
            f'      <condition field="destination_number" expression={expression}>',
            *lines,
            "      </condition>",
            "    </extension>",
        ]
    )


def _tenant(slug: str, settings: Settings) -> TenantSpec:
    from tenants.document import parse_document
    from tenants.errors import DocumentError

    broken = []
    for file in sorted(settings.tenants_dir.glob("*.yaml")):
        try:
            spec = parse_document(file.read_bytes(), str(file)).spec
        except DocumentError as error:
            broken.append(str(error))
            continue
        if spec.slug == slug:
            return spec
    raise click.ClickException("\n".join([f"no tenant {slug!r} in {settings.tenants_dir}", *broken]))


def _numbers(spec: TenantSpec, only: str | None) -> tuple[str, ...]:
    numbers = tuple(number for assistant in spec.assistants for number in assistant.numbers)
    if only is None:
        return numbers
    if only not in numbers:
        raise click.ClickException(f"no assistant of {spec.slug} answers {only}; there are {', '.join(numbers)}")
    return (only,)


def _service(settings: Settings) -> str:
    if settings.esl_host in {"0.0.0.0", "::"}:  # noqa: S104 (compared, not bound)
        raise click.ClickException(
            "the phone door listens everywhere: say --service HOST:PORT as FreeSWITCH reaches it"
        )
    return f"{settings.esl_host}:{settings.esl_port}"
