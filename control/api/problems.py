"""What a refused request is told: RFC 9457 problem details with stable types. The table is the documentation's.

No problem tells whether something exists that the key may not see, and none has a trace or a secret in it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsException, ProblemDetailsPlugin
from msgspec import Struct, to_builtins

from tenants.api_key_store import KeysUnavailableError
from tenants.audit_store import AuditUnavailableError
from tenants.errors import DocumentError, Located
from tenants.event_store import EventsUnavailableError
from tenants.idempotency_store import IdempotencyUnavailableError
from tenants.job_store import JobsUnavailableError
from tenants.secret_rows import SecretsUnavailableError

TYPE_PREFIX: Final = "urn:atende:problem:"
MEDIA_TYPE: Final = "application/problem+json"

log = structlog.get_logger()


class ProblemKind(Struct, frozen=True):
    """One row of the table. `title` is the same for all problems of the kind."""

    slug: str
    status: int
    title: str


class FieldError(Struct, frozen=True, kw_only=True):
    """One mistake. `path` is `$.path` in a document or a body, or the name of a parameter."""

    path: str
    message: str
    line: int | None = None
    """Counted from 1, with `column`, in a document."""
    column: int | None = None


class Problem(Struct, frozen=True, kw_only=True):
    """A problem as it is sent, with the media type `application/problem+json`."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    """Every mistake at once."""


KINDS: Final[Mapping[str, ProblemKind]] = {
    kind.slug: kind
    for kind in (
        ProblemKind("bad-request", 400, "The request cannot be read as it is"),
        ProblemKind("unauthenticated", 401, "A valid API key is needed"),
        ProblemKind("forbidden", 403, "The key's role does not allow this"),
        ProblemKind("not-found", 404, "There is no such thing, or the key may not see it"),
        ProblemKind("method-not-allowed", 405, "The method is not one of this address"),
        ProblemKind("conflict", 409, "What is there stands against it"),
        ProblemKind("stale", 412, "It has been changed meanwhile"),
        ProblemKind("too-large", 413, "The request is too large"),
        ProblemKind("unsupported-media-type", 415, "The body is of a kind that is not taken here"),
        ProblemKind("invalid-document", 422, "The document has mistakes"),
        ProblemKind("idempotency-key-reused", 422, "The idempotency key was sent with another request"),
        ProblemKind("not-loadable", 424, "What the document needs is not there"),
        ProblemKind("precondition-required", 428, "Say what is to be replaced"),
        ProblemKind("too-many-requests", 429, "Too many requests"),
        ProblemKind("internal", 500, "Something is wrong on our side"),
        ProblemKind("unavailable", 503, "It cannot be done just now"),
        ProblemKind("silent", 504, "The process that has the call does not answer"),
    )
}
ALWAYS: Final = ("bad-request", "unauthenticated", "too-many-requests", "internal", "unavailable")
OUTAGES: Final = (
    TimeoutError,
    ConnectionError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    KeysUnavailableError,
    AuditUnavailableError,
    SecretsUnavailableError,
    EventsUnavailableError,
    IdempotencyUnavailableError,
    JobsUnavailableError,
)
"""What a database raises that is away, goes, or is full."""
_BY_STATUS: Final = {kind.status: kind for kind in reversed(tuple(KINDS.values()))}
"""Of a status that two have, the first: the other is raised by its name."""


def answers(*slugs: str) -> dict[int, ResponseSpec]:
    """What a handler's description says of refusals: these, and those that every one may end with."""
    titles: dict[int, list[str]] = {}
    for kind in KINDS.values():
        if kind.slug in (*slugs, *ALWAYS):
            titles.setdefault(kind.status, []).append(kind.title)
    return {
        status: ResponseSpec(Problem, description=" / ".join(told), generate_examples=False, media_type=MEDIA_TYPE)
        for status, told in titles.items()
    }


class Refusal(ProblemDetailsException):
    """Raise it: the request ends with this problem."""

    def __init__(
        self,
        slug: str,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        """`slug` is one of KINDS."""
        kind = KINDS[slug]
        self._told = detail
        super().__init__(
            detail=detail,
            status_code=kind.status,
            headers=headers,
            type_=TYPE_PREFIX + kind.slug,
            title=kind.title,
            extra={"errors": [_without_nothing(error) for error in errors]} if errors else None,
        )

    def to_response(self, request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        response = super().to_response(request)
        if not self._told:  # otherwise it would be the status' own name
            response.content.pop("detail", None)
        return response


def _without_nothing(error: FieldError) -> dict[str, Any]:
    return {name: value for name, value in to_builtins(error).items() if value is not None}


def not_found() -> Refusal:
    """The same words whether it is not there or is another tenant's."""
    return Refusal("not-found")


def of_document(error: DocumentError) -> Refusal:
    """Every mistake of a tenant's document, with its place."""
    return Refusal("invalid-document", errors=located(error.problems))


def located(problems: Sequence[Located]) -> list[FieldError]:
    """Mistakes of a document as a problem has them."""
    return [
        FieldError(
            path=one.path or "$",
            message=one.message + (f" ({one.hint})" if one.hint else ""),
            line=one.line or None,
            column=one.column or None,
        )
        for one in problems
    ]


def of_validation(error: ValidationException) -> Refusal:
    """As Litestar tells it: `mistakes` does better, where the handler is known."""
    errors = [
        FieldError(path=str(one.get("key", "$")), message=str(one.get("message", "")))
        for one in error.extra or []
        if isinstance(one, Mapping)
    ]
    return Refusal("bad-request", "" if errors else _safe(error.detail), errors=errors)


def of_http(error: HTTPException) -> ProblemDetailsException:
    """What Litestar raises, as a problem of the table."""
    if isinstance(error, ProblemDetailsException):
        return error
    kind = _BY_STATUS.get(error.status_code) or _BY_STATUS[400 if error.status_code < 500 else 500]
    detail = _safe(error.detail) if kind.slug == "bad-request" else ""
    return Refusal(kind.slug, detail, headers=error.headers)


def _safe(detail: str) -> str:
    """One line, and not the sender's whole body."""
    return " ".join(detail.split())[:300]


def _of_depth(_: RecursionError) -> Refusal:
    return Refusal("bad-request", "it is nested too deep")


def _of_outage(error: Exception) -> Refusal:
    log.warning("a request could not be answered now", error=type(error).__name__)
    return Refusal("unavailable", "the database does not answer", headers={"Retry-After": "5"})


def _of_bug(error: Exception) -> Refusal:
    log.error("a request failed", error=repr(error), exc_info=error)
    return Refusal("internal")


def problem_plugin() -> ProblemDetailsPlugin:
    """Every error of the application becomes a problem of the table."""
    return ProblemDetailsPlugin(
        ProblemDetailsConfig(
            exception_to_problem_detail_map={
                DocumentError: of_document,
                ValidationException: of_validation,
                HTTPException: of_http,
                RecursionError: _of_depth,
                **dict.fromkeys(OUTAGES, _of_outage),
                Exception: _of_bug,
            }
        )
    )
