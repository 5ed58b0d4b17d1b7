"""`atende call`: rings the service as a FreeSWITCH would, and tells what the caller hears and how fast."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click
import msgspec
from msgspec import Struct

from base.ids import TenantId
from transports.freeswitch.words import WIRES

if TYPE_CHECKING:
    from control.peer import CallResult, Dialed, Script
    from control.settings import Settings
    from tenants.spec import TenantSpec

CODECS = ("PCMU", "PCMA", "L16/16000", "opus")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)


class RingOptions(Struct, frozen=True, kw_only=True):
    """The part of a command line that tells who rings whom, where, and what is said."""

    sounds: tuple[Path, ...]
    tenant: str | None
    tenant_id: str | None
    number: str | None
    sig: str | None
    script: Path | None
    codec: str | None
    report: Path | None
    host: str | None
    port: int | None
    source: str | None
    caller: str
    wire: str | None
    quiet: bool


class CallOptions(RingOptions, frozen=True, kw_only=True):
    """The command line, as it was written."""

    record: Path | None
    heard: Path | None


_RING_OPTIONS = (
    click.argument("sounds", nargs=-1, type=_FILE, metavar="[WAV]..."),
    click.option("--tenant", help="Slug of a tenant document; gives the tenant's id and its first number."),
    click.option("--tenant-id", help="The tenant's UUID, instead of --tenant."),
    click.option("--number", help="The number that is rung."),
    click.option("--sig", help="Signature over tenant and number; absent: made with the service's own keys."),
    click.option("--script", type=_FILE, help="YAML or JSON file of steps, instead of WAV files."),
    click.option("--codec", type=click.Choice(CODECS), help="Of the caller's channel (default PCMU)."),
    click.option("--json", "report", type=_OUT, help="Write the measured report to this file."),
    click.option("--host", help="Of the service's phone door (default: from the settings)."),
    click.option("--port", type=click.IntRange(1, 65535), help="Of the service's phone door (default: as --host)."),
    click.option("--from", "source", help="Address of this machine to ring from: by it a switch is told from others."),
    click.option("--caller", default="1001", show_default=True, help="The caller's number."),
    click.option("--wire", type=click.Choice(WIRES), help="How the audio goes (default: as the service is set)."),
    click.option("--quiet", is_flag=True, help="Print nothing while it runs."),
)


def ring_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of `RingOptions`."""
    for option in reversed(_RING_OPTIONS):
        command = option(command)
    return command


@click.command("call")
@ring_options
@click.option("--record", type=_OUT, help="Stereo WAV: left caller, right assistant as heard.")
@click.option("--heard", type=_OUT, help="Mono WAV of what the caller heard.")
@click.pass_context
def call_command(context: click.Context, /, **written: object) -> None:
    """Ring the service with recorded speech, or with a script, and measure what comes back.

    Without a script: hears the greeting, says each WAV, hears its answer, hangs up.

    \b
    A script is a YAML file, `steps: [...]`, begun when the call is answered. The steps:
      say: q.wav                 speak a WAV, looked for beside the script
      wait: 1.5                  be silent, in seconds
      wait_for: speech_end       until the assistant has spoken; or speech_start, silence, hang_up
      wait_for: {what: silence, quiet_ms: 1000, limit_s: 20}   the same with its limits
      interrupt: {after_ms: 300, say: q.wav}   speak so long after the assistant has begun
      dtmf: "12#"                press keys
      write: "words"             write into the call, as if it had been said
      hang_up                    as the end of the script does
    Beside steps: codec (PCMU), limit_s (180), hang_up_after_s (never), filler_ms (40), bursts ({every_s, gap_ms}).
    """
    options = msgspec.convert(written, CallOptions)
    settings = settings_of(context)
    script = script_of(options)
    result = _ring(options, settings, dialed_of(options, settings), script)
    if options.report is not None:
        result.save(options.report)
    if result.connected_ms is None and result.ended_by != "caller":
        where = f"{options.host or settings.esl_host}:{options.port or settings.esl_port}"
        raise click.ClickException(f"nobody listens at {where}: is `atende serve` running?")
    if not result.answered:
        raise click.ClickException(f"the call was not answered: {result.cause}, door {result.door or 'none'}")


def settings_of(context: click.Context) -> Settings:
    """The service's settings, as they are here. Raises ClickException."""
    from control.settings import Settings, SettingsError, load

    given = context.find_object(Settings)
    if given is not None:
        return given
    try:
        return load(os.environ, Path(".env"))[0]
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def script_of(options: RingOptions) -> Script:
    """What the caller does. Raises UsageError, ClickException."""
    from control.peer import Codec, ScriptError, load_script, question_and_answer

    codec = Codec(options.codec) if options.codec is not None else None
    if options.script is None:
        return question_and_answer(options.sounds, codec=codec or Codec.PCMU)
    if options.sounds:
        raise click.UsageError("give WAV files or --script, not both")
    try:
        script = load_script(options.script)
    except ScriptError as error:
        raise click.ClickException(str(error)) from error
    return script if codec is None else msgspec.structs.replace(script, codec=codec)


def dialed_of(options: RingOptions, settings: Settings) -> Dialed:
    """Who is rung, with the variables that the dialplan of an operator would set. Raises UsageError, ClickException."""
    from control.peer import Dialed
    from tenants.keys import KeyFileError, signing_keys
    from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, KeyFormatError, sign

    document = _document(options.tenant, settings) if options.tenant is not None else None
    tenant_id = _tenant_id(document.tenant_id if document is not None else options.tenant_id)
    numbers = [number for assistant in document.assistants for number in assistant.numbers] if document else []
    number = options.number or next(iter(numbers), None)
    if number is None:
        raise click.UsageError("--number is missing, and no tenant document gives one")
    try:
        signature = options.sig or sign(signing_keys(settings.data_dir, settings.signing_keys), tenant_id, number)
    except (KeyFileError, KeyFormatError) as error:
        raise click.ClickException(str(error)) from error
    variables = {TENANT_VARIABLE: tenant_id, NUMBER_VARIABLE: number, SIGNATURE_VARIABLE: signature}
    if options.wire is not None:
        variables["atende_wire"] = options.wire
    return Dialed(number=number, caller_number=options.caller, caller_name=options.caller, variables=variables)


def _tenant_id(written: str | None) -> TenantId:
    if written is None:
        raise click.UsageError("--tenant or --tenant-id is missing")
    try:
        return TenantId(str(UUID(written)))
    except ValueError as error:
        raise click.UsageError(f"the tenant's id {written!r} is not a UUID") from error


def _document(slug: str, settings: Settings) -> TenantSpec:
    from control.cli.tenant_files import written_tenant

    try:
        return written_tenant(slug, settings)
    except click.ClickException as error:
        raise click.ClickException(f"{error.message}; give --tenant-id and --number instead") from error


def _ring(options: CallOptions, settings: Settings, dialed: Dialed, script: Script) -> CallResult:
    from rich.console import Console

    from control.cli.call_print import CallPrinter
    from control.peer import SoundError, Switch, SwitchCrashed

    host, port = options.host or settings.esl_host, options.port or settings.esl_port
    printer = CallPrinter(Console(quiet=options.quiet))

    async def ring() -> CallResult:
        async with Switch(host, port, local_host=options.source) as switch:
            return await switch.call(dialed, script, record=options.record, heard=options.heard, on_event=printer.event)

    try:
        result = asyncio.run(ring())
    except SwitchCrashed as crash:
        raise click.ClickException(f"a real FreeSWITCH would have died, with every call on it: {crash}") from crash
    except SoundError as error:
        raise click.ClickException(str(error)) from error
    printer.result(result, options.record)
    return result
