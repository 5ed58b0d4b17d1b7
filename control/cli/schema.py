"""`atende schema`: what a tenant's document may say, for editors and for people."""

import json

import click

from control.cli.context import stages


@click.command("schema")
@click.option("--markdown", is_flag=True, help="the reference in Markdown instead: docs/tenant-yaml.md")
@click.pass_context
def schema_command(context: click.Context, markdown: bool) -> None:
    """Print the JSON Schema (2020-12) of tenant documents, with the settings of every stage.

    For a YAML language server: write it to a file, and begin each document with
    `# yaml-language-server: $schema=./tenant.schema.json`.
    """
    # The stages bring pipecat: other commands start without it.
    from tenants.reference import reference
    from tenants.schema import json_schema

    catalog = stages(context)
    text = reference(catalog) if markdown else json.dumps(json_schema(catalog), indent=2, ensure_ascii=False) + "\n"
    click.echo(text, nl=False)
