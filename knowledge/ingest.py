"""Bringing a tenant's documents into the store."""

import asyncio
import hashlib
from pathlib import Path

import numpy as np
import structlog
from msgspec import Struct

from base.ids import TenantId
from knowledge.documents import MAX_DOCUMENT_CHARS, DocumentError, read_document
from knowledge.embedder import Embedder, Vectors
from knowledge.passages import Passage
from knowledge.stores.protocol import StoredDocument, VectorStore

log = structlog.get_logger()

FORMAT = "3"
"""Part of each digest: raise it when passages are made differently, so that all documents are embedded anew."""

_BATCH_SENTENCES = 32
"""At most this many sentences are embedded in one go (about 16 ms), so that a caller's question can pass between."""


class SyncReport(Struct, frozen=True):
    """What a sync did; names of documents, and the number of passages embedded."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    passages: int
    stored: tuple[StoredDocument, ...] = ()
    """What the store has now."""

    @property
    def news(self) -> bool:
        """Whether anything is not what it was."""
        return bool(self.added or self.changed or self.removed)


async def sync(store: VectorStore, embedder: Embedder, tenant_id: TenantId, folder: Path) -> SyncReport:
    """Make the tenant's documents those in `folder` (`*.md`, not its subfolders); an absent one changes nothing.

    It says nothing of them: other nodes, which share the store, may have the folder, and a disk may not be mounted.
    A document counts as unchanged when the digest of its bytes is. Each one is replaced whole, one after
    the other: a failure leaves those before it done, and the next sync does the rest.
    Raises DocumentError before anything is changed, KnowledgeError from the store or the embedder.
    """
    files = await asyncio.to_thread(_read, folder)
    if files is None:
        kept = sorted(await store.documents(tenant_id), key=lambda document: document.name)
        names = tuple(document.name for document in kept)
        return SyncReport(added=(), changed=(), removed=(), unchanged=names, passages=0, stored=tuple(kept))
    documents = {name: read_document(name, text) for name, text in files.items()}
    digests = {name: _digest(text) for name, text in files.items()}
    stored = {document.name: document.digest for document in await store.documents(tenant_id)}
    removed = tuple(name for name in stored if name not in files)
    for name in removed:
        await store.remove(tenant_id, name)
    stale = [name for name in files if stored.get(name) != digests[name]]
    for name in stale:
        vectors = await asyncio.to_thread(embed_passages, embedder, documents[name])
        await store.put(tenant_id, StoredDocument(name, digests[name]), documents[name], vectors)
    report = SyncReport(
        added=tuple(name for name in stale if name not in stored),
        changed=tuple(name for name in stale if name in stored),
        removed=removed,
        unchanged=tuple(name for name in files if name not in stale),
        passages=sum(len(documents[name]) for name in stale),
        stored=tuple(StoredDocument(name, digests[name]) for name in sorted(files)),
    )
    log.info("documents synced", tenant=tenant_id, embedded=len(stale), removed=len(removed), documents=len(files))
    return report


def embed_passages(embedder: Embedder, passages: list[Passage]) -> Vectors:
    """One vector for each passage: the middle of those of its question (or heading), its text, and both together.

    A caller's words are sometimes like the question and sometimes like the answer. The middle ranks better than
    the nearest of the three: what is like only one of them is often like its frame alone ("do you have …?").
    """
    sentences = [
        sentence
        for passage in passages
        for asked in (passage.question or passage.heading or passage.text,)
        for sentence in (asked, passage.text or asked, f"{asked} {passage.text}")
    ]
    batches = [
        embedder.encode(sentences[start : start + _BATCH_SENTENCES])
        for start in range(0, len(sentences), _BATCH_SENTENCES)
    ]
    middles = np.concatenate(batches).reshape(len(passages), 3, embedder.dimension).mean(axis=1, keepdims=True)
    vectors: Vectors = middles / np.linalg.norm(middles, axis=2, keepdims=True)
    return vectors


def _read(folder: Path) -> dict[str, str] | None:
    """Name (without suffix) and text of each document, by name; None without a folder. Raises DocumentError."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(".md"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DocumentError(f"the folder cannot be read ({error.strerror})") from error
    found: dict[str, str] = {}
    for path in paths:
        try:
            if (size := path.stat().st_size) > MAX_DOCUMENT_CHARS * 4:
                raise DocumentError(f"{path.name}: {size} bytes; split the document")
            found[path.stem] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DocumentError(f"{path.name}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
        except OSError as error:
            raise DocumentError(f"{path.name}: cannot be read ({error.strerror})") from error
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(f"{FORMAT}\0{text}".encode()).hexdigest()
