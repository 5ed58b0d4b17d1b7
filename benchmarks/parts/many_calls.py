"""A database of very many finished calls: unevenly spread over tenants, in the order in which they would have come.

Everything follows from a call's place, so that calls and messages are written in two streams and the same size is the
same data everywhere.
"""

import hashlib
import itertools
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from base.ids import CallId, TenantId

FIRST: Final = datetime(2025, 1, 1, tzinfo=UTC)
DAYS: Final = 365
REVISIONS: Final = 100
LARGEST: Final = 0
"""The place of the tenant with a tenth of all calls."""
ASSISTANTS: Final = ("recepcao", "vendas", "suporte", "plantao")
NUMBERS: Final = ("1000", "1001", "1002", "1003")
"""Each leads to one of the assistants, in this order."""
_ASSISTANT_WEIGHTS: Final = (600, 300, 99, 1)
ENDS: Final = {
    "caller_hangup": 6000, "goodbye": 2500, "transferred": 800, "operator": 300, "silence": 250, "max_duration": 50,
    "max_turns": 40, "hangup": 30, "lost": 15, "failure": 10, "shutdown": 4, "ended_by_operator": 1,
}  # fmt: skip
RARE: Final = "ornitorrinco"
"""Said once in ten thousand turns."""
COMMON: Final = "sábado"
_RARE_EVERY: Final = 10_000
_SAID: Final = (
    "Bom dia, em que posso ajudar?",
    "Eu queria saber o horário de vocês no sábado, por favor.",
    "Abrimos de segunda a sexta das oito às dezoito, e aos sábados até o meio-dia.",
    "Vocês aceitam cartão de crédito ou só dinheiro?",
    "Aceitamos cartão, dinheiro e transferência, sem acréscimo nenhum.",
    "Onde fica a unidade mais próxima do centro?",
    "Na rua principal, ao lado do mercado, com estacionamento para clientes.",
    "Preciso remarcar a consulta que eu tinha para amanhã à tarde.",
    "Vou passar para uma pessoa da equipe, um instante por favor.",
    "Obrigado, era só isso mesmo, até logo.",
)
_LINES: Final = 2000
"""That are handed to the server at once."""
CALL_COLUMNS: Final = (
    "tenant_id", "call_id", "tenant_slug", "assistant", "number", "caller", "revision", "language", "opened_at",
    "ended_at", "end_reason", "hangup_cause", "errors", "recording", "revisions",
)  # fmt: skip
MESSAGE_COLUMNS: Final = ("tenant_id", "call_id", "position", "role", "text", "at_ms", "interrupted")


@dataclass(frozen=True)
class ManyCalls:
    """So many tenants and calls; the largest has a tenth of the calls, the others ever fewer."""

    tenants: Sequence[TenantId]
    owners: Sequence[int]
    """By call: the place of its tenant."""

    def opened_at(self, place: int) -> datetime:
        """Calls come evenly over a year."""
        return FIRST + timedelta(days=DAYS) * place / len(self.owners)

    def caller(self, place: int) -> str:
        """Of the largest tenant's, each rings some ten times; of the others', less often."""
        return f"+55119{(place * 7919) % max(1, len(self.owners) // 100):08}"

    def of(self, tenant: int) -> list[int]:
        """The places of a tenant's calls, oldest first."""
        return [place for place, owner in enumerate(self.owners) if owner == tenant]

    def calls(self) -> Iterator[str]:
        """Rows of conversations, in COPY's text format."""
        chance, count = random.Random(1), len(self.owners)
        spoken = chance.choices(range(len(ASSISTANTS)), _ASSISTANT_WEIGHTS, k=count)
        ends = chance.choices(list(ENDS), list(ENDS.values()), k=count)
        for place, owner in enumerate(self.owners):
            opened, assistant, revision = self.opened_at(place), spoken[place], 1 + place * REVISIONS // count
            ended, revisions = opened + timedelta(seconds=30 + place % 200), str(revision)
            if place % 100 == 0:
                revisions += f",{revision + 1}"
            errors = '{"stt: slow"}' if place % 33 == 0 else "{}"
            recording = f"recordings/{owner}/{place}.wav" if place % 5 else r"\N"
            yield (
                f"{self.tenants[owner]}\t{call_id(place)}\ttenant-{owner}\t{ASSISTANTS[assistant]}\t"
                f"{NUMBERS[assistant]}\t{self.caller(place)}\t{revision}\tpt-BR\t{opened}\t{ended}\t{ends[place]}\t"
                f"NORMAL_CLEARING\t{errors}\t{recording}\t{{{revisions}}}\n"
            )

    def messages(self) -> Iterator[str]:
        """Rows of messages: two to ten of each call, six on average."""
        said = itertools.count(1)
        for place, owner in enumerate(self.owners):
            head = f"{self.tenants[owner]}\t{call_id(place)}"
            for position in range(2 + place % 9):
                text = _SAID[(place + position * 3) % len(_SAID)]
                if next(said) % _RARE_EVERY == 0:
                    text = f"Vocês vendem {RARE} de pelúcia?"
                yield f"{head}\t{position}\t{('assistant', 'caller')[position % 2]}\t{text}\t{position * 4000}\tf\n"


def many_calls(tenants: int, calls: int) -> ManyCalls:
    """So many, as they are everywhere."""
    weights = [1 / (rank + 10) ** 0.8 for rank in range(tenants - 1)]
    total = sum(weights)
    weights = [1 / 9, *(weight / total for weight in weights)]
    owners = random.Random(0).choices(range(tenants), weights, k=calls)
    ids = [TenantId(str(uuid.uuid5(uuid.NAMESPACE_OID, f"tenant {number}"))) for number in range(tenants)]
    return ManyCalls(ids, owners)


def call_id(place: int) -> CallId:
    """Without order, as a channel's UUID is."""
    digest = hashlib.md5(str(place).encode()).hexdigest()
    return CallId(f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}")


async def fill(owner: Any, many: ManyCalls) -> None:
    """Write them all, as the database's superuser (references are not looked at: they are right)."""
    await owner.execute("SET session_replication_role = replica")
    for table, columns, rows in (
        ("conversations", CALL_COLUMNS, many.calls),
        ("messages", MESSAGE_COLUMNS, many.messages),
    ):
        await owner.copy_to_table(table, schema_name="atende", columns=columns, source=_chunks(rows), format="text")
    await owner.execute("RESET session_replication_role")
    await owner.execute("VACUUM (ANALYZE) atende.conversations, atende.messages")


async def _chunks(rows: Callable[[], Iterator[str]]) -> AsyncIterator[bytes]:
    lines = rows()
    while chunk := "".join(itertools.islice(lines, _LINES)):
        yield chunk.encode()
