"""What an import would do to the files of the tenants' folder: one word for each domain, and the difference."""

import difflib
import hashlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from base.ids import TenantId
from tenants.errors import DocumentError
from tenants.files import files_of
from tenants.fusionpbx import facts
from tenants.fusionpbx.draft import NothingToAnswerError, draft
from tenants.fusionpbx.rows import DomainRow, DomainRows
from tenants.known_files import written_id
from tenants.nodes import Mapping as Node
from tenants.nodes import Scalar, YamlError
from tenants.yaml_nodes import compose

Status = Literal["new", "changed", "same", "skipped", "not importable"]
Check = Callable[[bytes, str], object]
"""Whether a document can be published. Raises DocumentError."""
_OTHERWISE: Final = "tenant"


class Present(Struct, frozen=True, kw_only=True):
    """A file of a tenant's. `raw` is what stands in it."""

    file: Path
    slug: str
    raw: bytes


class Planned(Struct, frozen=True, kw_only=True):
    """What becomes of one domain. `by_hand`: the file has not been written by an import, or was changed since."""

    domain: str
    tenant_id: TenantId
    status: Status
    why: str = ""
    slug: str = ""
    file: Path | None = None
    by_hand: bool = False
    text: str = ""
    former: bytes | None = None
    diff: str = ""
    notes: tuple[str, ...] = ()


class Folder:
    """The tenants' files as they are, and the names that are given during one import. Blocks."""

    def __init__(self, path: Path, digests: Mapping[TenantId, str]) -> None:
        """`digests`: of what the last import wrote, see `digest_of`."""
        self._path = path
        self._digests = digests
        self._present: dict[TenantId, list[Present]] = {}
        self._taken: set[str] = set()
        for file in files_of(path):
            raw = file.read_bytes()
            tenant_id, slug = _whose(file, raw)
            self._taken |= {file.stem, slug}
            if tenant_id is not None:
                self._present.setdefault(tenant_id, []).append(Present(file=file, slug=slug, raw=raw))

    def gone(self, there: Collection[TenantId]) -> list[Path]:
        """The files that an import wrote for domains that are not there any more."""
        return [
            one.file
            for tenant_id, found in self._present.items()
            for one in found
            if tenant_id in self._digests and tenant_id not in there
        ]

    def plan(self, rows: DomainRows, check: Check) -> Planned:
        """What becomes of a domain; a slug that is new is its own from now on."""
        domain, tenant_id = facts.line(rows.domain.domain_name, 253), TenantId(rows.domain.domain_uuid.lower())
        present = self._present.get(tenant_id, [])
        if len(present) > 1:
            why = f"{' and '.join(one.file.name for one in present)} have its id: keep one of them"
            return Planned(domain=domain, tenant_id=tenant_id, status="not importable", why=why)
        former = present[0] if present else None
        slug = former.slug if former else facts.unique(slug_of(rows.domain), self._taken)
        file = former.file if former else self._path / f"{slug}.yaml"
        try:
            made = draft(rows, slug)
            check(made.text.encode(), str(file))
        except NothingToAnswerError as error:
            left = f"; {file.name} stays as it is" if former else ""
            return Planned(domain=domain, tenant_id=tenant_id, status="skipped", why=f"{error}{left}")
        except DocumentError as error:
            why = "; ".join(problem.message for problem in error.problems[:3])
            return Planned(domain=domain, tenant_id=tenant_id, status="not importable", why=why)
        self._taken.add(slug)
        raw = former.raw if former else None
        same = raw == made.text.encode()
        return Planned(
            domain=domain,
            tenant_id=tenant_id,
            status="same" if same else "new" if raw is None else "changed",
            slug=slug,
            file=file,
            by_hand=not same and raw is not None and self._digests.get(tenant_id) != digest_of(raw),
            text=made.text,
            former=raw,
            diff="" if same else difference(raw, made.text, str(file), domain),
            notes=made.notes,
        )


def slug_of(domain: DomainRow) -> str:
    """The first label of its name, or the whole of an address: `clinica.pbx.example.net` → `clinica`."""
    name = domain.domain_name
    whole = not any(character.isalpha() for character in name)
    return facts.slug(name if whole else name.partition(".")[0], _OTHERWISE)


def digest_of(raw: bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(raw).hexdigest()


def difference(former: bytes | None, text: str, file: str, domain: str) -> str:
    """A unified diff from the file to what the PBX gives."""
    before = [] if former is None else former.decode("utf-8", "replace").splitlines(keepends=True)
    name = "/dev/null" if former is None else file
    lines = difflib.unified_diff(before, text.splitlines(keepends=True), name, f"{file} (FusionPBX: {domain})")
    return "".join(one if one.endswith("\n") else f"{one}\n\\ No newline at end of file\n" for one in lines)


def _whose(file: Path, raw: bytes) -> tuple[TenantId | None, str]:
    """The tenant's id and slug, as far as they can be read; the slug is the file's name otherwise."""
    try:
        node = compose(raw)
    except YamlError:
        return written_id(file), facts.slug(file.stem, _OTHERWISE)
    found = {name: _scalar(node, name) for name in ("id", "slug")}
    tenant_id = TenantId(found["id"].lower()) if found["id"] else None
    return tenant_id, found["slug"] or facts.slug(file.stem, _OTHERWISE)


def _scalar(node: object, name: str) -> str:
    if isinstance(node, Node) and name in node.items and isinstance(value := node.items[name][1], Scalar):
        return value.text
    return ""
