"""Where in a document it is that it could not be published."""

from pipelines.loading import StageNotReadyError
from pipelines.problems import SpecError
from tenants.directory import NumberConflictError
from tenants.document import TenantDocument
from tenants.errors import Located
from tenants.report import Report
from tenants.revisions import SlugTakenError
from tenants.yaml_nodes import compose


def placed(document: TenantDocument, error: Exception) -> tuple[Located, ...]:
    """What an error of publishing says, at the place that it is about; at the document's begin where none is known.

    Blocks.
    """
    report = Report(document.file, compose(document.raw))
    if isinstance(error, SpecError):
        return tuple(report.located(report.place(one.path), one.path, one.message, one.hint) for one in error.problems)
    path = _path(document, error)
    return (report.located(report.place(path), path, str(error)),)


def placed_at(document: TenantDocument, path: str, message: str) -> Located:
    """A message about one field. Blocks."""
    report = Report(document.file, compose(document.raw))
    return report.located(report.place(path), path, message)


def _path(document: TenantDocument, error: Exception) -> str:
    if isinstance(error, SlugTakenError):
        return "$.slug"
    if isinstance(error, NumberConflictError):
        return f"$.{error.field}"
    if not isinstance(error, StageNotReadyError):
        return "$"
    assistants = [assistant.name for assistant in document.spec.assistants]
    if error.assistant not in assistants:
        return "$"
    index = assistants.index(error.assistant)
    for place, node in enumerate(document.spec.assistants[index].pipeline or ()):
        if node.id == error.stage:
            return f"$.assistants[{index}].pipeline[{place}]"
    return f"$.assistants[{index}]"
