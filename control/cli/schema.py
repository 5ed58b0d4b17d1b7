"""`atende schema`: what a tenant's document may say, for editors and for people."""

import json

import click


@click.command("schema")
@click.option("--markdown", is_flag=True, help="the reference in Markdown instead: docs/tenant-yaml.md")
def schema_command(markdown: bool) -> None:
    """Print the JSON Schema (2020-12) of tenant documents, with the settings of every stage.

    For a YAML language server: write it to a file, and begin each document with
    `# yaml-language-server: $schema=./tenant.schema.json`.
    """
    # The stages bring pipecat: other commands start without it.
    from processors.catalog import Stages
    from tenants.reference import reference
    from tenants.schema import json_schema

    stages = Stages()
    text = reference(stages) if markdown else json.dumps(json_schema(stages), indent=2, ensure_ascii=False) + "\n"
    click.echo(text, nl=False)
