"""`atende graph`: the stages of a tenant's assistants, drawn."""

import asyncio
from pathlib import Path

import click
from msgspec import structs

from control.cli.context import program, stages


@click.command("graph")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--assistant", metavar="NAME", help="This one alone.")
@click.option("--format", "form", type=click.Choice(["text", "mermaid", "svg"]), default="text", show_default=True)
@click.pass_context
def graph_command(context: click.Context, file: Path, assistant: str | None, form: str) -> None:
    """Draw how a call goes through each assistant's stages, with the longest wait and the cost of a turn.

    A hosted model is taken to read 4,000 tokens in a turn: instructions, passages and a conversation.

    The figures are what the stages say of their settings: the wait until each gives up, not what a turn takes.
    A secret that is not there is told of, and hinders nothing.
    """
    # The catalog brings pipecat: other commands start without it.
    from control.checking import missing_secrets, secrets_for
    from control.server_facts import server_facts
    from pipelines.drawing import as_mermaid, as_text
    from pipelines.drawing_svg import as_svg
    from tenants.document import checked_assistants, parse_document
    from tenants.errors import DocumentError, did_you_mean

    settings, catalog = program(context).settings, stages(context)
    facts = server_facts(settings)
    try:
        # What a picture does not need is no reason to draw none: any secret will do.
        document = parse_document(
            file.read_bytes(),
            str(file),
            catalog,
            settings.switch_names,
            server=facts,
        )
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    except DocumentError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        raise SystemExit(1) from error
    secrets = asyncio.run(secrets_for([file], settings))
    for notice in missing_secrets(document, structs.replace(facts, has_secret=secrets.has)):
        click.echo(notice.worded("notice"), err=True)
    found = [one for one in checked_assistants(document.spec, catalog) if assistant in (None, one.spec.name)]
    if not found:
        names = [one.name for one in document.spec.assistants]
        raise click.ClickException(f"no assistant is called {assistant!r}: {did_you_mean(str(assistant), names)}")
    if form == "text":
        click.echo("\n".join(map(as_text, found)), nl=False)
    else:
        click.echo(as_mermaid(found) if form == "mermaid" else as_svg(found), nl=False)
