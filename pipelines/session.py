"""One call, from the moment its media flows to its record.

This class joins parts and waits; it decides nothing itself. What to do is `Conduct`'s, what happened is
`TurnAccount`'s, the pipeline is `Spine`'s, and the caller's leg is `PhoneLine`'s.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog
from msgspec import Struct
from pipecat.frames.frames import ErrorFrame
from pipecat.processors.aggregators.llm_context import LLMContextMessage
from pipecat.transports.base_transport import BaseTransport

from base.clock import Clock
from pipelines.assembly import Spine
from pipelines.calls import (
    Call,
    CallRecord,
    ChangedOver,
    Closed,
    FellBack,
    LiveEvent,
    LiveFeed,
    Opened,
    Said,
    StageFailed,
    Understood,
)
from pipelines.changeover import ChangeOver
from pipelines.check import transfer_number
from pipelines.conduct import Action, Conduct, End, Phase, Reach, Say, SayTheirs
from pipelines.failures import held_back, kind_of, reason_of
from pipelines.hold_music import HoldMusic
from pipelines.leases import Lease
from pipelines.listening import Listening
from pipelines.loaded import LoadedPipeline
from pipelines.phone import PhoneLine
from pipelines.reaching import Reaching
from pipelines.running import Running
from pipelines.spending import Spending, StageMeter
from pipelines.timeline import Timeline, Voices, cause_word
from pipelines.turns import TurnAccount
from processors.factory import CallContext, Speaker
from processors.llm.intents import phrasebook

log = structlog.get_logger()

MAX_ERROR_CHARS = 500
MAX_ERRORS = 20
"""Of one call, in its record; a stage that fails with every frame must not fill the memory."""


MAX_TOLD_CHARS = 3900
"""Of one text out of the call; the wires take 4,000."""


class SessionLimits(Struct, frozen=True, kw_only=True):
    """How long a session waits for what is not the caller's or the assistant's to decide."""

    start_timeout_s: float = 10.0
    phone_timeout_s: float = 5.0
    teardown_timeout_s: float = 5.0


LEAVING_BY: dict[str, str] = {"lost": "failed", "shutdown": "failed"}
"""The door for endings that come from outside while the caller may still be there."""


HUNG_UP = frozenset({"caller_hangup", "hangup"})
"""Endings after which there is no line to be given up."""


class CallSession:
    """A call that is answered. `run` once; `end` from anywhere, any number of times, the first counts.

    Closing order: the phone verb (so that the caller is not kept waiting by our own clearing up), the
    pipeline, the account, the record.
    """

    def __init__(
        self,
        call: Call,
        lease: Lease,
        transport: BaseTransport,
        line: PhoneLine,
        feed: LiveFeed,
        clock: Clock,
        *,
        sample_rate: int,
        recording: str | None = None,
        hold_music: HoldMusic | None = None,
        limits: SessionLimits | None = None,
        before: Sequence[LLMContextMessage] | None = None,
        timeline: Timeline | None = None,
        spending: Spending | None = None,
    ) -> None:
        """`sample_rate` is the wire's, in Hz; `recording` the path for the record, relative to the data directory;
        `hold_music` takes the ringing tone's place.

        `before` is the conversation that goes on, of a caller who is back from a person; `timeline` what happened
        before, from the ring on; `spending` counts what hosted providers are asked, which nobody bounds when None.
        """
        self._call = call
        self._lease = lease
        self._transport = transport
        self._line = line
        self._feed = feed
        self._clock = clock
        self._sample_rate = sample_rate
        self._recording = recording
        self._limits = limits or SessionLimits()
        policy, at = lease.pipeline.assistant, clock.monotonic()
        wait_s = policy.turn.wait_s
        self.timeline = timeline or Timeline(clock.monotonic)
        self._voices = Voices(self.timeline)
        self._account = TurnAccount(call.id, at, self._told, turn_wait_s=wait_s, for_record=self._for_record)
        self._conduct = Conduct(policy.limits, policy.turn, at, transfer=policy.transfer)
        self._reaching = Reaching(line, sample_rate, hold_music)
        self._change = ChangeOver(lease, transport, self._context_of, lambda: self._act(None), clock.monotonic)
        self._revisions = [lease.pipeline.revision.number]
        self._actions: deque[Action] = deque()
        self._wake = asyncio.Event()
        self._ending: End | None = None
        self._cause = ""
        self._errors: list[str] = []
        self._spending = spending or Spending()
        self._opened = False
        self._before = before
        self.messages: tuple[LLMContextMessage, ...] = ()
        """The conversation, when `run` has returned."""

    def end(self, reason: str, cause: str = "") -> None:
        """End the call now because of something outside: `caller_hangup`, `hangup`, `lost` or `shutdown`.

        `cause` is the phone's hang-up cause, for the record. Never waits.
        """
        self._decide(End(reason=reason, door=LEAVING_BY.get(reason)), cause)

    @property
    def decided(self) -> bool:
        """How the call ends is known: nothing more is done for those who ask."""
        return self._ending is not None

    def hang_up(self) -> None:
        """An operator ends the call now, normally. Never waits."""
        self._decide(End(reason="ended_by_operator"))

    def transfer(self, number: str) -> None:
        """An operator sends the caller on now, to a number as the assistant's own `transfer.to` may be one with
        `mode: blind`. Never waits. Raises ValueError for another, and nothing happens.
        """
        self._decide(End(reason="transferred", number=transfer_number(self._loaded.assistant, number)))

    def take_leave(self) -> None:
        """The service ends: the caller hears that it cannot go on, and the dialplan has the call then. Never waits; one
        that has not been greeted yet, or takes leave already, is left as it is.
        """
        if self._opened and self._ending is None:
            self._act(self._conduct.takes_leave(self._clock.monotonic()))

    def say(self, words: str) -> bool:
        """An operator has the assistant say this, when nobody speaks and the caller has been answered. Never waits.

        False when too much waits already. In a call that takes leave it is not said.
        """
        taken = self._conduct.asked_to_say(words)
        if self._opened:
            self._wake.set()
        return taken

    async def run(self) -> CallRecord:
        """Greet, converse, end. Returns when the line is given up and nothing of the pipeline runs any more."""
        with structlog.contextvars.bound_contextvars(call=self._call.id, tenant=self._call.tenant_id):
            self._feed(Opened(call=self._call))
            try:
                await self._converse()
            except BaseException as error:
                # Whoever follows the calls learns of this end, too.
                self._decide(End(reason="shutdown" if isinstance(error, asyncio.CancelledError) else "failure"))
                raise
            finally:
                self._account.close()
                record = self._record()
                log.info("call ended", reason=record.end_reason, turns=len(record.turns), errors=len(record.errors))
                self._feed(Closed(record=record))
            return record

    async def _converse(self) -> None:
        try:
            spine = self._assemble()
        except Exception as error:
            # A stage's bug in `create` is this call's failure and the dialplan's chance.
            self._note(f"the pipeline cannot be made: {error!r}")
            self._decide(End(reason="failure", door="failed"))
            await self._leave()
            return
        started = asyncio.Event()
        spine.tell(on_started=started.set, on_error=lambda frame: self._failed(spine, frame))
        running = Running(spine.worker)
        try:
            if await self._started(started, running):
                opening = "greeting" if self._before is None else "back"
                self._act(self._conduct.opens(self._clock.monotonic(), opening))
                self._change.open(spine)
                await self._attend(spine, running)
            await self._reaching.stop()
            await self._leave()
        finally:
            await self._reaching.stop()
            await self._change.close()
            self.messages = tuple(spine.context.get_messages())
            left = await running.stop(self._limits.teardown_timeout_s)
            if not left:
                spine.forget()
            else:
                self._note(f"did not stop in time: {', '.join(left)}")
                self._lease.stage_errors += 1
                log.error("a stage ignores its cancellation", tasks=left)

    @property
    def _loaded(self) -> LoadedPipeline:
        """What the call runs on now."""
        return self._lease.pipeline

    def _for_record(self, text: str, spoken: Sequence[str]) -> str:
        """As the revision that the call runs on now has it written down."""
        return self._loaded.for_record(text, spoken)

    def _context_of(self, pipeline: LoadedPipeline) -> CallContext:
        return CallContext(
            tenant_id=self._call.tenant_id,
            call_id=self._call.id,
            persona=pipeline.persona,
            sample_rate=self._sample_rate,
            meter=StageMeter(self._spending),
        )

    def _assemble(self) -> Spine:
        stages = self._loaded.create_stages(self._context_of(self._loaded))
        listening = Listening(self._account, self._conduct, self._clock, self._act, self.timeline, self._voices)
        return Spine(
            stages,
            self._transport,
            listening,
            self._loaded.assistant.turn,
            self._sample_rate,
            says_nothing=phrasebook(self._loaded.persona.language).acknowledges,
            before=self._before or (),
        )

    async def _started(self, started: asyncio.Event, running: Running) -> bool:
        """Whether the pipeline runs and nobody has ended the call; if not, the call is decided."""
        waiting = {asyncio.create_task(started.wait()), asyncio.create_task(self._wake.wait())}
        try:
            await asyncio.wait(
                {*waiting, running.task}, timeout=self._limits.start_timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for waiter in waiting:
                waiter.cancel()
        if not started.is_set() and self._ending is None:
            self._note("the pipeline did not start")
            self._decide(End(reason="failure", door="failed"))
        self._opened = self._ending is None
        return self._opened

    async def _attend(self, spine: Spine, running: Running) -> None:
        """Do what is to be done, when it is to be done, until the call is decided."""
        running.task.add_done_callback(lambda _: self.end("lost"))
        while self._ending is None:
            self._wake.clear()
            if self._actions:
                await self._perform(self._actions.popleft(), spine)
                continue
            if self._change.due(quiet=self._at_a_turns_end(), speaking=self._conduct.phase is Phase.SPEAKING):
                await self._change_over()
                continue
            at = self._clock.monotonic()
            try:
                async with asyncio.timeout(max(0.0, self._next_deadline() - at)):
                    await self._wake.wait()
            except TimeoutError:
                self._act(self._conduct.due(self._clock.monotonic()))

    def _next_deadline(self) -> float:
        """Monotonic seconds; whatever else happens wakes the session."""
        speaking = self._conduct.phase is Phase.SPEAKING
        return min(self._conduct.deadline(), self._change.deadline if speaking else float("inf"))

    def _at_a_turns_end(self) -> bool:
        return self._conduct.phase is Phase.LISTENING and not self._reaching.going_on

    async def _change_over(self) -> None:
        """To the revision that the lease was offered; the call goes on as it was when that does not work."""
        why_not = await self._change.perform()
        if why_not:
            self._note(f"the call stays on its revision: {why_not}")
            self.timeline.note("not_changed_over", str(self._loaded.revision.number))
            log.warning("a live call was not changed over", error=why_not)
            return
        revision, policy = self._loaded.revision.number, self._loaded.assistant
        if self._revisions[-1] != revision:  # not the same one with other secrets
            self._revisions.append(revision)
        self.timeline.note("changed_over", str(revision))
        self._conduct.adopt(policy.limits, policy.transfer)
        self._line.changed_over()
        log.info("a live call was changed over", revision=revision)
        self._feed(ChangedOver(call_id=self._call.id, revision=revision))

    def _told(self, event: LiveEvent) -> None:
        """Of a turn: to the feed, and out of the call where a stage says so."""
        self._feed(event)
        if isinstance(event, Understood | Said) and event.text:
            speaker: Speaker = "caller" if isinstance(event, Understood) else "assistant"
            if self._loaded.tells(speaker):
                self._line.tell(f"{speaker}: {event.text}"[:MAX_TOLD_CHARS])

    async def _perform(self, action: Action, spine: Spine) -> None:
        match action:
            case End():
                self._decide(action)
            case Say():
                await self._say(action, spine)
            case SayTheirs():
                self.timeline.note("operator_says")
                self._voices.texts("operator")
                await spine.say(action.words, instead=False, final=False, then_hang_up=False)
            case Reach():
                transfer = self._loaded.assistant.transfer
                assert transfer is not None
                self.timeline.note("reaching")
                self._reaching.begin(transfer, spine.play, self._quiet, self._reached)

    def _quiet(self) -> bool:
        return self._conduct.phase is Phase.LISTENING

    def _reached(self, cause: str, broke: str) -> None:
        """A person was called, or could not be; the conversation went on meanwhile."""
        if broke:
            self._note(broke)
        self.timeline.note("not_reached" if cause else "reached", cause_word(cause))
        self._act(self._conduct.reached(self._clock.monotonic(), cause))

    async def _say(self, say: Say, spine: Spine) -> None:
        self._voices.texts(say.text)
        if say.text == "failure":
            self._feed(FellBack(call_id=self._call.id))
        text = self._loaded.persona.texts[say.text]
        await spine.say(text, instead=say.instead, final=say.final, then_hang_up=say.then_hang_up)

    async def _leave(self) -> None:
        """Give the caller's leg up, once, as decided."""
        ending = self._ending
        assert ending is not None
        if ending.reason in HUNG_UP or ending.connected:
            return
        try:
            async with asyncio.timeout(self._limits.phone_timeout_s):
                await self._let_go(ending)
        except Exception as error:
            # The record has to be written whatever became of the line.
            self._note(f"the line could not be given up: {error!r}")
            log.warning("the line could not be given up", error=repr(error))

    async def _let_go(self, ending: End) -> None:
        self._line.note(ending.reason)
        if ending.number is not None:
            self.timeline.note("sent_on")
            await self._line.transfer(ending.number)
        elif ending.door is not None:
            self.timeline.note("given_back", ending.door)
            await self._line.give_back(ending.door)
        else:
            self.timeline.note("hung_up")
            await self._line.hang_up()

    def _failed(self, spine: Spine, frame: ErrorFrame) -> None:
        """A processor reported an error."""
        if spine.mind.held(frame.processor) or spine.ear.held(frame.processor):
            log.info("a stage that the call has changed over from failed", stage=str(frame.processor))
            return
        self._note(frame.error)
        self._loaded.failed(frame.processor, frame.error)
        use = self._loaded.use_of(frame.processor)
        self.timeline.note("stage_failed", use)
        self._feed(StageFailed(call_id=self._call.id, kind=kind_of(use), reason=reason_of(frame)))
        self._lease.held_last = held_back(frame)
        if self._lease.held_last:
            self._lease.held_requests += 1
        else:
            self._lease.stage_errors += spine.mind.holds(frame.processor) or spine.ear.holds(frame.processor)
        log.warning("a stage failed", stage=str(frame.processor), category=str(frame.category))
        if not self._opened:
            # pipecat goes on without a stage whose setup failed; a call does not begin like that.
            self._decide(End(reason="failure", door="failed"))
        elif spine.mind.holds(frame.processor):
            self._act(self._conduct.failed(self._clock.monotonic()))
        elif spine.ear.holds(frame.processor):
            self._act(self._conduct.failed(self._clock.monotonic(), ear=True))
        elif frame.processor is not None and not frame.processor.is_usable:
            self.end("lost")

    def _act(self, action: Action | None) -> None:
        if action is not None:
            self._actions.append(action)
        self._wake.set()

    def _decide(self, ending: End, cause: str = "") -> None:
        if self._ending is None:
            self._ending, self._cause = ending, cause
            self._wake.set()

    def _note(self, error: str) -> None:
        if len(self._errors) < MAX_ERRORS:
            self._errors.append(error[:MAX_ERROR_CHARS])

    def _record(self) -> CallRecord:
        ending = self._ending
        assert ending is not None
        given_away = ending.door is not None or ending.number is not None or ending.connected
        hung_up_by_us = ending.reason not in HUNG_UP and not given_away
        self.timeline.ended(ending.reason)
        return CallRecord(
            call=self._call,
            ended_at=self._clock.now(),
            end_reason=ending.reason,
            hangup_cause=self._cause or ("NORMAL_CLEARING" if hung_up_by_us else ""),
            turns=self._account.turns,
            errors=tuple(self._errors),
            recording=self._recording,
            revisions=tuple(self._revisions),
            timeline=self.timeline.moments,
            cost_usd=self._spending.cost_usd,
            usage=self._spending.usage,
        )
