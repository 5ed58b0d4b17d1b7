"""What every change of a document by way of the API has in common: how it is asked for, told and written down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final, Literal

from litestar import Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter
from litestar.status_codes import HTTP_304_NOT_MODIFIED
from msgspec import Struct

from base.ids import TenantId
from control.api.access import Principal
from control.api.audited import change
from control.api.conditions import is_known
from control.api.described import JSON, YAML
from control.api.problems import FieldError, Refusal, answers, located, not_found
from control.service import Service
from pipelines.supervisor import NoCanaryError
from tenants.audit import NOTHING, Action, State
from tenants.auditing import Result
from tenants.canary_text import CanaryTextError
from tenants.diffs import TooLongError
from tenants.directory import TenantUnknownError
from tenants.json_nodes import is_json
from tenants.next_text import NotWrittenError, ReadOnlyFolderError
from tenants.put_checks import expect
from tenants.put_errors import (
    Expected,
    FileTakenError,
    NotReadyError,
    Published,
    RevisionUnknownError,
    StaleError,
    TooLargeError,
)

NumberPath = Annotated[int, PathParameter(ge=1, le=2**31 - 1, description="The revision's number.")]
SwapText = Annotated[
    Literal["turn", "drain"] | None,
    QueryParameter(
        description="Live calls change over at the end of a turn, or end on what they began with. "
        "Left out: as the service's setting ATENDE_SWAP has it."
    ),
]
DryRun = Annotated[bool, QueryParameter(description="Check and load it, and change nothing.")]
_CHANGING: Final = (
    "forbidden",
    "not-found",
    "conflict",
    "stale",
    "too-large",
    "unsupported-media-type",
    "invalid-document",
    "not-loadable",
    "precondition-required",
)
PUTTING: Final = answers(*_CHANGING)
READING: Final = answers("not-found") | {304: ResponseSpec(None, description="It is the text that is known")}
ACTING: Final = answers(*_CHANGING, "idempotency-key-reused")
PLATFORMS: Final = ("enabled", "slug", "domain", "switch")
"""Whether a tenant is answered, where its calls come from, whose telephones ring for them: not its own to change."""


class Notice(Struct, frozen=True, kw_only=True):
    """What acts on nothing in a document, or not as one may think."""

    path: str
    message: str
    line: int
    column: int


class PublishedView(Struct, frozen=True, kw_only=True):
    """What became of a document."""

    revision: int
    """Under which it answers; with a dry run, under which it would."""
    digest: str
    """SHA-256 of the text, in hex; in quotes the `ETag`."""
    changed: bool
    """false: it was the same text, and nothing was touched."""
    dry_run: bool = False
    """true: it was checked and loaded only; what answered before answers."""
    notices: tuple[Notice, ...] = ()
    problems: tuple[str, ...] = ()
    """What does not answer as it should beside it, for one that is on trial."""


@asynccontextmanager
async def changed(
    running: Service,
    asker: Principal,
    tenant_id: TenantId,
    action: Action,
    object: str = "",  # noqa: A002 (as in tenants.audit.Change)
) -> AsyncIterator[Result]:
    """As `audited.change`, with the text that stands before it."""
    stands = await running.publishing.current(tenant_id)
    before = NOTHING if stands is None else State(revision=stands.number, digest=stands.digest)
    async with change(running, asker, tenant_id, action, object, before=before) as result:
        yield result


def state(published: Published) -> State:
    return State(revision=published.number, digest=published.digest)


@asynccontextmanager
async def told() -> AsyncIterator[None]:
    """What publishing raises, as a problem of the table. DocumentError is one everywhere."""
    try:
        yield
    except (TenantUnknownError, RevisionUnknownError) as error:
        raise not_found() from error
    except TooLargeError as error:
        raise Refusal("too-large", str(error)) from error
    except StaleError as error:
        now = {"ETag": f'"{error.current_digest}"'} if error.current_digest else None
        raise Refusal("stale", "the document is another one by now; read it again", headers=now) from error
    except NotReadyError as error:
        raise Refusal("not-loadable", errors=located(error.problems)) from error
    except (NoCanaryError, CanaryTextError, TooLongError) as error:
        raise Refusal("conflict", str(error)) from error
    except FileTakenError as error:
        raise Refusal("conflict", "the file of this slug is another tenant's; take another slug") from error
    except NotWrittenError as error:
        raise Refusal("unavailable", "the tenant's file could not be written; what it says counts") from error
    except ReadOnlyFolderError as error:
        raise Refusal("conflict", "the folder of the tenants' documents cannot be written to") from error


async def refuse_moves(
    running: Service, asker: Principal, tenant_id: TenantId, raw: bytes, expected: Expected | None
) -> None:
    """A tenant's own key changes nothing of `PLATFORMS`. Raises StaleError, DocumentError and a Refusal."""
    if asker.of_platform:
        return
    if (stands := await running.publishing.current(tenant_id)) is None:
        raise not_found()
    expect(stands, expected, create=False)  # told before any work is made of it
    now = (await running.publishing.parsed(tenant_id, stands.document)).spec
    wished = (await running.publishing.parsed(tenant_id, raw)).spec
    errors = [
        FieldError(path=f"$.{name}", message=f"only a key of the platform may change it from {getattr(now, name)!r}")
        for name in PLATFORMS
        if getattr(wished, name) != getattr(now, name)
    ]
    if errors:
        raise Refusal("invalid-document", errors=errors)


def text(document: bytes, digest: str, number: int | None, if_none_match: str | None) -> Response[bytes]:
    """The text, or 304 where who asks has it."""
    kind = JSON if is_json(document) else YAML
    headers = {"ETag": f'"{digest}"'} | ({} if number is None else {"Atende-Revision": str(number)})
    if is_known(if_none_match, digest):
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, media_type=kind, headers=headers)
    return Response(document, media_type=kind, headers=headers)


def view(published: Published, *, dry_run: bool = False) -> PublishedView:
    return PublishedView(
        revision=published.number,
        digest=published.digest,
        changed=published.changed,
        dry_run=dry_run,
        notices=tuple(
            Notice(path=one.path, message=one.message, line=one.line, column=one.column) for one in published.notices
        ),
        problems=published.problems,
    )
