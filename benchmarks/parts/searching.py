"""What one node brought in from its folder answers callers of every node: vectors in the database that they share."""

import asyncio
import time
from pathlib import Path
from typing import Final

from base.ids import CallId, TenantId
from benchmarks.parts.judge import Report
from benchmarks.parts.nodes import Cluster, Node
from control.peer import Dialed, HangUp, Hears, Say, Script, Switch, WaitFor
from pipelines.calls import CallRecord
from tenants.conversations import PostgresConversations
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign

SEARCHED: Final = TenantId("0d9f3a52-6b1e-4c0e-9d7a-5b8c2f4e6a13")
NUMBER: Final = "3001"
SLUG: Final = "bench-searched"
SPEECH: Final = Path(__file__).parents[2] / "tests" / "data" / "speech" / "first" / "en_01.wav"
QUESTION: Final = "When do you open on Saturdays"
HEARD: Final = WaitFor(what=Hears.SPEECH_END, quiet_ms=300, limit_s=15.0)
DOCUMENT: Final = f"""\
slug: {SLUG}
id: {SEARCHED}
domain: searched.example.net
name: Searched
language: en
assistants:
  - name: mock
    numbers: ["{NUMBER}"]
    record: false
    pipeline:
      - {{id: vad, use: vad.silero}}
      - {{id: stt, use: stt.mock, config: {{transcripts: ["{QUESTION}"]}}}}
      - {{id: rag, use: rag.retrieve}}
      - {{id: llm, use: llm.grounded}}
      - {{id: tts, use: tts.mock, config: {{word_s: 0.1}}}}
"""
KNOWLEDGE: Final = "# Hours\n\n## When do you open on Saturdays?\nOn Saturdays we open at nine.\n"


def bring_in(knowledge_dir: Path) -> None:
    """The company's documents, in the folder of the node that brings them in."""
    (knowledge_dir / SLUG).mkdir(parents=True)
    (knowledge_dir / SLUG / "hours.md").write_text(KNOWLEDGE, encoding="utf-8")


async def measured_search(report: Report, three: Cluster) -> None:
    """The first node has the documents in its folder; the others have none."""
    revision = await three.put_document(SEARCHED, DOCUMENT.encode(), three.nodes[0])
    await three.answers(revision, SEARCHED)
    found = [await _asked(node, three) for node in three.nodes]
    report.add("nodes_that_answer_from_the_documents", sum(found), least=len(three.nodes))


async def _asked(node: Node, three: Cluster) -> bool:
    """Whether a caller of the node is answered from the passage."""
    signature = sign(three.keys, SEARCHED, NUMBER)
    signed = {TENANT_VARIABLE: SEARCHED, NUMBER_VARIABLE: NUMBER, SIGNATURE_VARIABLE: signature}
    async with Switch(*node.door) as switch:
        script = Script(steps=(HEARD, Say(SPEECH), HEARD, HangUp()), limit_s=60)
        call = switch.dial(Dialed(number=NUMBER, variables=signed), script)
        await switch.ring(call)
    record = await _record(three, call.call_id)
    return record is not None and any("nine" in turn.text and turn.passage_id for turn in record.turns)


async def _record(three: Cluster, call_id: str) -> CallRecord | None:
    store, until = PostgresConversations(three.database), time.monotonic() + 10
    while (record := await store.get(SEARCHED, CallId(call_id))) is None and time.monotonic() < until:  # noqa: ASYNC110 - it is written when it is
        await asyncio.sleep(0.1)
    return record
