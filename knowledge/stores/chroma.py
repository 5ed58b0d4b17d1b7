"""Passages in Chroma: embedded in this process, or a server that many processes share.

One collection per tenant and embedder, named after both; its metadata say which model and dimension it
was made with. Vectors always come from us, telemetry is off. Chroma's client is synchronous: all of it
runs on one thread of ours, so that no call waits on the event loop and no two calls meet inside it.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
import numpy as np
from msgspec import Struct

from base.ids import TenantId
from base.secret import Secret
from knowledge.embedder import Vectors
from knowledge.passages import KnowledgeError, Passage
from knowledge.stores.protocol import Hit, StoredDocument, checked_query, checked_tenant, checked_vectors

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

R = TypeVar("R")

_BATCH_ROWS = 1000
"""Chroma refuses more than about 5,000 rows at once; this keeps each step short."""

ANSWER_TIMEOUT_S: Final = 10.0
"""For each answer of a server."""


class ChromaServer(Struct, frozen=True):
    """Where a Chroma server listens, or the proxy before it; `token` is sent as `Authorization: Bearer …`."""

    url: str
    token: Secret | None = None

    @property
    def headers(self) -> dict[str, str]:
        """For each request."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token.reveal()}"}


class ChromaStore:
    """A Chroma database in a folder, for one process, or one on a server. Close it: `close` ends the thread.

    A document is not written at one stroke: until its last row is there it counts as not there.
    """

    def __init__(self, place: Path | ChromaServer, embedder_name: str, dimension: int) -> None:
        self._place = place
        self._embedder = embedder_name
        self._dimension = dimension
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chroma")
        self._client: ClientAPI | None = None
        self._collections: dict[str, Collection] = {}

    async def put(
        self, tenant_id: TenantId, document: StoredDocument, passages: Sequence[Passage], vectors: Vectors
    ) -> None:
        tenant = checked_tenant(tenant_id)
        checked_vectors(vectors, len(passages), self._dimension)
        await self._run(lambda: self._replace(tenant, document, passages, vectors))

    async def remove(self, tenant_id: TenantId, document: str) -> None:
        tenant = checked_tenant(tenant_id)
        await self._run(lambda: self._open(tenant).delete(where={"document": document}))

    async def documents(self, tenant_id: TenantId) -> list[StoredDocument]:
        return [StoredDocument(name, digest) for name, digest in sorted(_whole(await self._rows(tenant_id)))]

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        found = await self._rows(tenant_id)
        whole = _whole(found)
        rows = [row for row in found if _version(row) in whole]
        rows.sort(key=lambda row: (str(row["document"]), int(row["position"])))
        return [_passage(row) for row in rows]

    async def vectors(self, tenant_id: TenantId) -> dict[str, Vectors]:
        tenant = checked_tenant(tenant_id)
        got = await self._run(lambda: self._open(tenant).get(include=["metadatas", "embeddings"]))
        rows = zip(got["metadatas"] or [], () if got["embeddings"] is None else got["embeddings"], strict=True)
        whole = _whole(row for row in got["metadatas"] or [] if row["kind"] == 0)
        kinds: dict[str, dict[int, Vectors]] = {}
        for row, vector in rows:
            if _version(row) not in whole:
                continue
            kinds.setdefault(str(row["passage"]), {})[int(str(row["kind"]))] = np.asarray(vector, dtype=np.float32)
        return {passage: np.stack([of[kind] for kind in sorted(of)]) for passage, of in kinds.items()}

    async def nearest(self, tenant_id: TenantId, query: Vectors, limit: int) -> list[Hit]:
        tenant = checked_tenant(tenant_id)
        vector = checked_query(query, self._dimension)
        return await self._run(lambda: self._search(tenant, vector, limit))

    async def close(self) -> None:
        """Close the database, then the thread. Idempotent.

        SQLite's files are closed by Chroma's own threads, some milliseconds behind it.
        """
        self._collections.clear()
        client, self._client = self._client, None
        if client is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, _disconnect, client, self._place)
        self._thread.shutdown(wait=False)

    async def _rows(self, tenant_id: TenantId) -> list[dict[str, Any]]:
        tenant = checked_tenant(tenant_id)
        got = await self._run(lambda: self._open(tenant).get(where={"kind": 0}, include=["metadatas"]))
        return [dict(row) for row in got["metadatas"] or []]

    async def _run(self, work: Callable[[], R]) -> R:
        def guarded() -> R:
            with _translated():
                try:
                    return work()
                except BaseException:
                    # A server may have come back with others.
                    self._collections.clear()
                    raise

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)
        except RuntimeError as error:
            raise KnowledgeError("the vector store is closed") from error

    def _search(self, tenant: str, vector: Vectors, limit: int) -> list[Hit]:
        collection = self._open(tenant)
        rows = collection.count()
        if rows == 0:
            return []
        # A passage has a row for each kind, so that `limit` passages take up to that many times more rows.
        wanted = min(rows, limit * 3)
        answer = collection.query(query_embeddings=vector, n_results=wanted, include=["distances", "metadatas"])
        best: dict[str, float] = {}
        for row, distance in zip((answer["metadatas"] or [[]])[0], (answer["distances"] or [[]])[0], strict=True):
            best.setdefault(str(row["passage"]), 1.0 - float(distance))
        return [Hit(passage_id, similarity) for passage_id, similarity in list(best.items())[:limit]]

    def _replace(self, tenant: str, document: StoredDocument, passages: Sequence[Passage], vectors: Vectors) -> None:
        # Kind 0 goes last and says how many there are, so that a document cut short by a crash shows as unfinished.
        collection = self._open(tenant)
        collection.delete(where={"document": document.name})
        rows = [
            (f"{passage.id}/{kind}", vectors[at, kind], _metadata(document, passage, at, kind) | {"of": len(passages)})
            for kind in reversed(range(vectors.shape[1]))
            for at, passage in enumerate(passages)
        ]
        for start in range(0, len(rows), _BATCH_ROWS):
            ids, batch, metadata = zip(*rows[start : start + _BATCH_ROWS], strict=True)
            # Of two processes that put the same document at once, each finds rows of the other's.
            collection.upsert(ids=list(ids), embeddings=np.stack(batch), metadatas=list(metadata))

    def _open(self, tenant: str) -> "Collection":
        collection = self._collections.get(tenant)
        if collection is None:
            collection = self._opened(tenant)
            self._collections[tenant] = collection
        return collection

    def _opened(self, tenant: str) -> "Collection":
        if self._client is None:
            self._client = _connect(self._place)
        model = re.sub(r"[^a-z0-9]+", "-", self._embedder.lower()).strip("-")
        made_with = {"tenant": tenant, "embedder": self._embedder, "dimension": self._dimension}
        collection = self._client.get_or_create_collection(
            f"t-{tenant}-{model}-{self._dimension}",
            metadata=made_with,
            embedding_function=None,
            configuration={"hnsw": {"space": "ip"}},
        )
        _check(collection.metadata or {}, made_with)
        return collection


def _check(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for key, value in wanted.items():
        if found.get(key) != value:
            raise KnowledgeError(
                f"the stored vectors were made with {key} {found.get(key)!r}, not {value!r}:"
                " remove the collection and ingest the documents again"
            )


def _connect(place: Path | ChromaServer) -> "ClientAPI":
    try:
        import chromadb
        from chromadb.config import Settings
    except ImportError as error:
        raise KnowledgeError("the package chromadb is missing: run `make install`") from error
    settings = Settings(anonymized_telemetry=False)
    if isinstance(place, Path):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        return chromadb.PersistentClient(path=str(place), settings=settings)
    look(place, ANSWER_TIMEOUT_S)
    url = urlsplit(place.url)
    secure = url.scheme == "https"
    client = chromadb.HttpClient(
        url.hostname or "", url.port or (443 if secure else 80), ssl=secure, headers=place.headers, settings=settings
    )
    # Chroma's client waits for ever, and has no option for it.
    for session in _sessions(client):
        session.timeout = httpx.Timeout(ANSWER_TIMEOUT_S)
    return client


def _sessions(client: "ClientAPI") -> list[httpx.Client]:
    """A server's: Chroma's client (it has another one inside, for its own questions) neither bounds nor closes them."""
    both: tuple[Any, Any] = (client, client._admin_client)  # type: ignore[attr-defined]  # noqa: SLF001
    return [one._server._session for one in both]  # noqa: SLF001


def _disconnect(client: "ClientAPI", place: Path | ChromaServer) -> None:
    if isinstance(place, ChromaServer):
        for session in _sessions(client):
            session.close()
    client.close()  # type: ignore[attr-defined]


def look(server: ChromaServer, timeout_s: float) -> str:
    """The server's version. Blocks. Raises KnowledgeError, which says what is wrong and never shows the token."""
    url = f"{server.url.rstrip('/')}/api/v2/version"
    try:
        answer = httpx.get(url, headers=server.headers, timeout=timeout_s)
    except httpx.HTTPError as error:
        raise KnowledgeError(f"the Chroma server does not answer ({type(error).__name__})") from error
    if answer.status_code in {401, 403}:
        raise KnowledgeError(f"the Chroma server refuses the token ({answer.status_code})")
    try:
        version = answer.json() if answer.is_success else None
    except ValueError:
        version = None
    if not isinstance(version, str):
        raise KnowledgeError(f"what answers is no Chroma server that is known here (status {answer.status_code})")
    return version


@contextmanager
def _translated() -> Iterator[None]:
    """Chroma's errors (and its Rust core's) become ours at this one place."""
    try:
        yield
    except KnowledgeError:
        raise
    except Exception as error:
        raise KnowledgeError(f"the vector store failed: {type(error).__name__}") from error


def _version(row: Mapping[str, Any]) -> tuple[str, str]:
    """The document that a row is of, and its digest."""
    return str(row["document"]), str(row["digest"])


def _whole(rows: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Of rows of kind 0, the documents of which all are there."""
    found = Counter((*_version(row), int(row["of"])) for row in rows)
    return {(name, digest) for (name, digest, of), count in found.items() if count == of}


def _metadata(document: StoredDocument, passage: Passage, position: int, kind: int) -> dict[str, str | int]:
    return {
        "passage": passage.id,
        "kind": kind,
        "document": document.name,
        "digest": document.digest,
        "position": position,
        "heading": passage.heading,
        "question": passage.question,
        "text": passage.text,
    }


def _passage(row: dict[str, Any]) -> Passage:
    return Passage(
        id=str(row["passage"]),
        document=str(row["document"]),
        heading=str(row["heading"]),
        text=str(row["text"]),
        question=str(row["question"]),
    )
