"""Who an assistant is: the operator's words where there are any, the language's own elsewhere."""

from msgspec import structs

from base.languages import texts
from pipelines.revision import PipelineRevision
from pipelines.spec import AssistantSpec
from processors.factory import Persona


def persona_of(revision: PipelineRevision, assistant: AssistantSpec) -> Persona:
    """The persona that stages are given, with every text complete. Raises LanguageUnknownError."""
    language = assistant.language or revision.language
    given: dict[str, str | None] = structs.asdict(assistant.texts)
    own = {key: text for key, text in given.items() if text is not None}
    words = texts(language).filled(company=revision.company, assistant=assistant.name, own=own)
    return Persona(
        name=assistant.key,
        language=language,
        company=revision.company,
        instructions=assistant.instructions,
        texts=structs.asdict(words),
    )
