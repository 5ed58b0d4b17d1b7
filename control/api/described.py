"""What the description of the API cannot see in a handler: bodies that are read raw, and headers of a middleware."""

from dataclasses import dataclass
from typing import Final, cast

from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)

from control.api.idempotency import HEADER, MAX_LENGTH
from tenants.secret_rows import MAX_SECRET_BYTES

YAML: Final = "application/yaml"
JSON: Final = "application/json"
PLAIN: Final = "text/plain"
NDJSON: Final = "application/x-ndjson"
STREAM: Final = "text/event-stream"
WAV: Final = "audio/wav"
UNCOMPRESSED: Final = "uncompressed"
"""Of a handler: what it answers goes out as it comes; compression would keep it back, or gain nothing."""
CSV: Final = "text/csv"
"""Litestar tells its charset."""


@dataclass
class TakesDocument(Operation):
    """The body is a tenant's document."""

    def __post_init__(self) -> None:
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        tree = OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))
        told = "The whole document, in UTF-8; see docs/tenant-yaml.md."
        self.request_body = RequestBody(content={YAML: text, JSON: tree}, required=True, description=told)


@dataclass
class TellsDocument(Operation):
    """The answer is a tenant's document, as it was put."""

    def __post_init__(self) -> None:
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        tree = OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))
        for status, response in (self.responses or {}).items():
            if status == "200":
                cast(OpenAPIResponse, response).content = {YAML: text, JSON: tree}


@dataclass
class TakesSecret(Operation):
    """The body is a secret's value."""

    def __post_init__(self) -> None:
        value = Schema(type=OpenAPIType.STRING, min_length=1, max_length=MAX_SECRET_BYTES, write_only=True)
        wrapped = Schema(type=OpenAPIType.OBJECT, properties={"value": value}, required=["value"])
        content = {PLAIN: OpenAPIMediaType(schema=value), JSON: OpenAPIMediaType(schema=wrapped)}
        told = "The value alone, in UTF-8; white space round it is left out."
        self.request_body = RequestBody(content=content, required=True, description=told)


@dataclass
class TellsRecording(Operation):
    """The answer is a call's audio."""

    def __post_init__(self) -> None:
        audio = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY))
        for status, response in (self.responses or {}).items():
            if status == "200":
                cast(OpenAPIResponse, response).content = {WAV: audio}


@dataclass
class Exports(Operation):
    """The answer is a file of one of two kinds."""

    def __post_init__(self) -> None:
        lines = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        for status, response in (self.responses or {}).items():
            if status == "200":
                cast(OpenAPIResponse, response).content = {NDJSON: lines, CSV: lines}


@dataclass
class Follows(Operation):
    """The answer is a page, or a stream."""

    def __post_init__(self) -> None:
        lines = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        for status, response in (self.responses or {}).items():
            if status == "200":
                content = cast(OpenAPIResponse, response).content
                cast(OpenAPIResponse, response).content = {**(content or {}), STREAM: lines}


@dataclass
class Acts(Operation):
    """It may be sent again with the same key without acting twice."""

    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING, min_length=1, max_length=MAX_LENGTH)
        told = (
            "Sent again within 10 minutes with the same key and body, to whichever node, it acts once, and is answered "
            "as the first time."
        )
        header = Parameter(name=HEADER, param_in="header", schema=text, required=False, description=told)
        self.parameters = [*(self.parameters or []), header]
