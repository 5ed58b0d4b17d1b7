"""The REST API of a service, as commands ask it: its address is ATENDE_API_URL, the key ATENDE_API_KEY."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import click
import httpx
import msgspec
from msgspec import Struct

from control.cli.context import program
from transports.freeswitch.peers import LOOPBACK, is_within

if TYPE_CHECKING:
    from control.settings import Settings

T = TypeVar("T")
TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)
"""A document may be loaded meanwhile: models, probe calls."""
PAGE: Final = 200
PACED: Final = 30
MAX_PAUSE_S: Final = 5.0
"""Who asks too often comes again in a second or so, so many times; who is locked out does not wait for it."""
SILENT: Final = "Atende-Processes-Silent"
NO_KEY: Final = """\
this command asks the service's REST API, and there is no key: set ATENDE_API_KEY. On the machine of the service
  export ATENDE_API_KEY=$(atende keys create --local --role platform-admin --name "$USER")
makes one; docs/api.md has the roles"""


class AbsentError(click.ClickException):
    """There is no such thing, or the key may not see it."""


class Place(Struct, frozen=True):
    """A mistake of a problem, with its place."""

    path: str = ""
    message: str = ""
    line: int | None = None
    column: int | None = None


class Problem(Struct, frozen=True):
    """What RFC 9457 has, as far as it is shown."""

    title: str = ""
    detail: str | None = None
    errors: tuple[Place, ...] = ()


class _Page(Struct, frozen=True):
    items: msgspec.Raw
    next: str | None = None


class _Whose(Struct, frozen=True):
    tenant_id: str | None


class _Named(Struct, frozen=True):
    tenant_id: str
    slug: str


class Remote:
    """One service. Every method raises ClickException, in words that an operator can act on."""

    def __init__(self, client: httpx.Client, otherwise: str = "") -> None:
        """`otherwise`: what else can be done where nobody answers."""
        self._client = client
        self._otherwise = otherwise

    def get(self, kind: type[T], path: str, /, **query: Any) -> T:
        """What is there, decoded."""
        return msgspec.json.decode(self.ask("GET", path, query=query).content, type=kind)

    def find(self, path: str, **query: Any) -> bytes | None:
        """What is there, as it came; None: nothing is."""
        try:
            return self.ask("GET", path, query=query).content
        except AbsentError:
            return None

    def pages(self, kind: type[T], path: str, most: int | None = None, /, **query: Any) -> Iterator[T]:
        """A list, page after page; `most` items of it."""
        cursor, left = None, most
        while left is None or left > 0:
            limit = PAGE if left is None else min(PAGE, left)
            page = self.get(_Page, path, **query, limit=limit, cursor=cursor)
            items: list[T] = msgspec.json.decode(page.items, type=list[kind])  # type: ignore[valid-type]
            yield from items if left is None else items[:left]
            if (cursor := page.next) is None:
                return
            left = None if left is None else left - len(items)

    def whole(self, kind: type[T], path: str) -> list[T]:
        """A list that does not come in pages."""
        return msgspec.json.decode(self.get(_Page, path).items, type=list[kind])  # type: ignore[valid-type]

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request; its answer when it is none of a problem."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        body = content if json is None else msgspec.json.encode(json)
        sent = dict(headers or {}) | ({} if json is None else {"Content-Type": "application/json"})
        asked = self._client.build_request(method, f"/api/v1{path}", params=given, content=body, headers=sent)
        with self._told():
            answer = self._client.send(asked)
            for _ in range(PACED):
                if not (wait_s := _too_early_s(answer)):
                    break
                time.sleep(wait_s)
                answer = self._client.send(asked)
        if silent := answer.headers.get(SILENT):
            click.echo(f"processes that do not tell their calls: {silent}; `/health/ready` lists them", err=True)
        raise_for(answer)
        return answer

    def stream(self, path: str, *, accept: str = "*/*", **query: Any) -> Iterator[bytes]:
        """A body that may be large, or goes on, piece by piece; the service tells every 15 s that it is there."""
        given = {name: value for name, value in query.items() if value is not None}
        asked = self._client.stream("GET", f"/api/v1{path}", params=given, headers={"Accept": accept})
        with self._told(), asked as answer:
            if answer.is_error:
                answer.read()
                raise_for(answer)
            yield from answer.iter_bytes()

    def tenant_id(self, named: str | None) -> str | None:
        """The id of a tenant that is named by its slug or by its UUID."""
        if named is None or _is_uuid(named):
            return named
        for one in self.pages(_Named, "/tenants"):
            if one.slug == named:
                return one.tenant_id
        raise click.ClickException(f"the key sees no tenant {named!r}; `atende tenants list` tells those there are")

    def one_tenant(self, slug: str | None, written_id: UUID | None) -> str:
        """The tenant of the options; that of the key where there are none. Raises UsageError for the platform's."""
        named = self.whose(slug, written_id) or self.get(_Whose, "/whoami").tenant_id
        if named is None:
            raise click.UsageError("give --tenant or --tenant-id, one of the two")
        return named

    def whose(self, slug: str | None, written_id: UUID | None) -> str | None:
        """The tenant of the options; None: that of the key, or the platform. Raises UsageError."""
        if slug is not None and written_id is not None:
            raise click.UsageError("give --tenant or --tenant-id, one of the two")
        return self.tenant_id(slug) if written_id is None else str(written_id)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise click.ClickException(f"{self._client.base_url} does not answer in time") from error
        except httpx.HTTPError as error:
            fix = "does `atende serve` run there? ATENDE_API_URL or --url says where it is"
            told = f"{self._client.base_url} cannot be reached ({error}): {fix}{self._otherwise}"
            raise click.ClickException(told) from error


@contextmanager
def remote(context: click.Context, otherwise: str = "") -> Iterator[Remote]:
    """The service of the settings. Raises ClickException."""
    settings = program(context).settings
    if settings.api_key is None:
        raise click.ClickException(NO_KEY)
    url = _url(settings)
    headers = {"Authorization": f"Bearer {settings.api_key.reveal()}", "User-Agent": "atende"}
    with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False) as client:
        yield Remote(client, otherwise)


def _too_early_s(answer: httpx.Response) -> float:
    """How long to wait before it is asked again, where it was only for its pace; 0: it is not to be."""
    if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
        return 0.0
    told = answer.headers.get("Retry-After", "")
    return float(told) if told.isdecimal() and float(told) <= MAX_PAUSE_S else 0.0


def raise_for(answer: httpx.Response) -> None:
    """Raises ClickException (AbsentError) with what a problem tells, each mistake in a line of its own."""
    if not answer.is_error:
        return
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except msgspec.MsgspecError:
        problem = Problem(title=f"the service answered {answer.status_code}")
    told = [problem.detail or problem.title]
    for place in problem.errors:
        where = "" if place.line is None else f"{place.line}:{place.column or 1} "
        told.append(f"  {where}{place.path}: {place.message}")
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        told.append("  ATENDE_API_KEY is no key that opens there; `atende keys list --local` tells those there are")
    absent = answer.status_code == httpx.codes.NOT_FOUND
    raise (AbsentError if absent else click.ClickException)("\n".join(told))


def _url(settings: Settings) -> str:
    if settings.api_url is None:
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
        host = settings.http_host
        host = everywhere.get(host, f"[{host}]" if ":" in host else host)
        return f"http://{host}:{settings.http_port}"
    parts = urlsplit(settings.api_url)
    if parts.scheme == "http" and parts.hostname != "localhost" and not is_within(parts.hostname or "", LOOPBACK):
        raise click.ClickException(
            f"ATENDE_API_URL: {settings.api_url} would carry the key in the clear; use https, or a tunnel to loopback"
        )
    return settings.api_url


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
