"""How the assistant behaves in a call beside answering: patience, limits, failures, good-byes. Pure.

Events go in with their time (seconds of one monotonic clock) and actions come out; `deadline` says
when to call `due`. Nothing here knows of frames, audio or tasks.
"""

from collections import deque
from enum import Enum, auto

from msgspec import Struct

from pipelines.spec import LimitsSpec, TransferSpec, TurnSpec

CLOSING_S = 20.0
"""A last sentence has this long to be heard; then the call ends without it."""
FAILURES_IN_A_ROW = 2
SAME_FAILURE_S = 0.5
"""What fails so soon after a failure may be the same one, told late or by another stage."""
DOUBT_S = 2.0
"""Then the sentence that was to be said has this long to be heard; it was rendered ahead."""
MAX_WAITING = 10
"""Sentences of an operator that have not been said yet."""


class Say(Struct, frozen=True, kw_only=True):
    """Say one of the fixed texts. `instead` drops what is being said or thought; `final` cannot be spoken over."""

    text: str
    instead: bool = False
    final: bool = False
    then_hang_up: bool = False


class SayTheirs(Struct, frozen=True):
    """Say an operator's sentence."""

    words: str


class End(Struct, frozen=True, kw_only=True):
    """End the call now: give it back at `door`, send it on to `number`, or hang up when there is neither."""

    reason: str
    door: str | None = None
    number: str | None = None
    connected: bool = False
    """The caller was connected with a person: the call is not ours any more."""


class Reach(Struct, frozen=True):
    """Call a person for the caller, who stays; `reached` tells what became of it."""


Action = Say | SayTheirs | End | Reach


class Phase(Enum):
    """Whose turn it is."""

    LISTENING = auto()
    """Nobody speaks; the caller is expected to."""
    HEARING = auto()
    """The caller's turn is open."""
    THINKING = auto()
    """Something is to be said but nothing is heard yet."""
    SPEAKING = auto()


class Conduct:
    """One call's manners. Every method that is told an event returns what to do about it, or None."""

    def __init__(self, limits: LimitsSpec, turn: TurnSpec, at: float, *, transfer: TransferSpec | None = None) -> None:
        """`transfer` is where a caller goes who wants a person; None: back to the dialplan."""
        self._limits = limits
        self._transfer = transfer
        self._reaching = False
        self._interruptible = turn.interruptible
        self._ends_at = at + limits.max_call_s
        self._phase = Phase.THINKING
        self._since = at
        self._quiet_since = at
        self._disturbed = False
        self._owed = 0
        self._asked = 0
        self._turns = 0
        self._failures = 0
        self._failed_at = at
        self._active_at = at
        """When the caller last said something, or was last answered; a re-prompt is no answer."""
        self._closing: str | None = None
        self._closing_since = at
        self._final = False
        self._waiting: deque[str] = deque()
        self._theirs: str | None = None
        """The operator's sentence that is being said."""

    def adopt(self, limits: LimitsSpec, transfer: TransferSpec | None) -> None:
        """Another revision's policy from now on. The call's time goes on from its beginning.

        How turns are taken stays: the call's pipeline was made for it.
        """
        self._ends_at += limits.max_call_s - self._limits.max_call_s
        self._limits, self._transfer = limits, transfer

    @property
    def phase(self) -> Phase:
        return self._phase

    def deadline(self) -> float:
        """When to call `due` if nothing else happens."""
        times = [self._ends_at if self._closing is None else self._closing_since + CLOSING_S]
        if self._phase is Phase.THINKING and not self._final:
            times.append(self._since + self._limits.answer_timeout_s)
        elif self._phase is Phase.LISTENING and self._closing is None and self._waiting:
            times.append(self._quiet_since)
        elif self._phase is Phase.LISTENING and self._closing is None and not self._reaching:
            times.append(self._quiet_since + self._limits.silence_s)
        return min(*times, self._idle_at())

    def due(self, at: float) -> Action | None:
        """What to do because of time alone; None when it is too early."""
        if at < self.deadline():
            return None
        if self._closing is not None and at >= self._closing_since + CLOSING_S:
            return self._closed(self._closing)
        if self._closing is None and at >= self._ends_at:
            return self._close("max_duration", "limit", at, final=True)
        if self._phase is Phase.THINKING:
            return self.failed(at)
        if at >= self._idle_at():
            # A line that is never quiet, with nobody who speaks: what is said now is not interrupted by it.
            return self._close("silence", "farewell", at, final=True)
        return self._say_theirs(at) if self._waiting else self._ask("reprompt", at)

    def opens(self, at: float, text: str = "greeting") -> Action:
        """The call begins, with this text."""
        return self._say(text, at)

    def takes_leave(self, at: float) -> Action | None:
        """The service ends: the caller is told that it cannot go on, and the dialplan has him then. None in a call that
        takes leave already.
        """
        if self._closing is not None and self._final:
            return None
        return self._close("shutdown", "failure", at, final=True)

    def asked_to_say(self, words: str) -> bool:
        """An operator wants this said; False when so much waits already that it is not going to be.

        It is due when nobody speaks and nothing is owed to the caller, and again when the caller spoke before a word
        of it was heard. Not in a call that takes leave.
        """
        if len(self._waiting) >= MAX_WAITING:
            return False
        if self._closing is None:
            self._waiting.append(words)
        return True

    def caller_started(self) -> None:
        """The caller's turn began. What interrupts a farewell takes it back."""
        self._disturbed = self._phase in (Phase.SPEAKING, Phase.THINKING)
        if self._interruptible or self._phase is Phase.LISTENING:
            self._phase = Phase.HEARING
            if not self._final:
                self._closing, self._owed = None, 0

    def words(self, at: float) -> None:
        """Of the caller's, in a turn that may go on."""
        self._active_at = at

    def understood(self, at: float) -> None:
        """The caller's turn was understood and is with the mind now."""
        self._active_at = at
        self._asked = 0
        self._turns += 1
        self._phase, self._since = Phase.THINKING, at
        self._owed += 1

    def unheard(self, at: float, *, noise: bool) -> Action | None:
        """The caller's turn ended with nothing understood. Only what broke something off is asked about.

        Where it was `noise` the silence goes on; where nobody has said so, it may be words that are still to come.
        """
        if self._phase is not Phase.HEARING:
            return None
        self._phase = Phase.LISTENING
        if self._disturbed or not noise:
            self._quiet_since = at
        if not self._disturbed:
            return None
        return self._ask("not_understood", at)

    def speech_started(self) -> None:
        """Something of ours is heard."""
        if self._phase is not Phase.HEARING:
            self._phase = Phase.SPEAKING

    def speech_stopped(self, at: float) -> None:
        """Nothing of ours is heard any more, for now: a sentence of the same answer may follow."""
        self._quiet_since = at
        if self._phase is Phase.SPEAKING:
            self._phase, self._since = (Phase.THINKING if self._owed else Phase.LISTENING), at

    def interrupted(self, *, heard: bool) -> None:
        """What was being said was broken off; whether a word of it was heard."""
        if self._theirs is not None and not heard:
            self._waiting.appendleft(self._theirs)
        self._theirs = None

    def finished(self, at: float, *, heard: bool, answer: bool) -> Action | None:
        """An answer, or a text of ours, came out to its end. One of which nothing was heard has failed."""
        self._theirs = None
        if heard and not self._asked:
            self._active_at = at
        self._owed = max(0, self._owed - 1)
        if self._phase is Phase.THINKING and not heard:
            return self.failed(at)
        if self._phase is Phase.THINKING and not self._owed:
            self._phase, self._quiet_since = Phase.LISTENING, at
        if answer and heard:
            self._failures = 0
            if self._turns >= self._limits.max_turns and self._closing is None:
                return self._close("max_turns", "limit", at, final=True)
        return None

    def failed(self, at: float, *, ear: bool = False) -> Action | None:
        """A stage raised, or nothing came in time. Counts only while something was expected of it.

        An ear may fail after its turn was given up, or in one that the caller began before an earlier failure.
        """
        if self._phase not in ((Phase.HEARING, Phase.LISTENING) if ear else (Phase.THINKING,)):
            return None
        if self._closing is not None:
            return self._closed(self._closing)
        if self._failures and at < self._failed_at + SAME_FAILURE_S:
            self._since = min(self._since, at - self._limits.answer_timeout_s + DOUBT_S)
            return None
        self._failures, self._failed_at, self._theirs = self._failures + 1, at, None
        if self._failures >= FAILURES_IN_A_ROW:
            return End(reason="failure", door="failed")
        return self._say("failure", at, instead=True)

    def requested(self, request: str) -> Action | None:
        """The request came out behind the last word before it, so that word was heard."""
        if request != "operator":
            return self._closed(self._closing or "goodbye")
        if self._transfer is None:
            return End(reason="operator", door="operator")
        if self._transfer.mode == "blind":
            return End(reason="transferred", number=self._transfer.to)
        if self._reaching:
            return None  # somebody's telephone rings already
        self._reaching = True
        return Reach()

    def reached(self, at: float, cause: str) -> Action | None:
        """Somebody has answered and has the caller now, when `cause` is empty; else nobody could be had."""
        self._reaching = False
        self._active_at = at
        if not cause:
            return End(reason="operator", connected=True)
        self._quiet_since = at
        return self._say("operator_away", at, instead=True) if self._closing is None else None

    def _closed(self, reason: str) -> End:
        """The last sentence was heard, or could not be."""
        return End(reason=reason, door="failed" if reason == "shutdown" else None)

    def _idle_at(self) -> float:
        """When a call in which nothing happens is closed; never while it is our turn, or a person is called."""
        idle_s, theirs = self._limits.idle_s, self._phase in (Phase.LISTENING, Phase.HEARING)
        if idle_s is None or not theirs or self._closing is not None or self._reaching:
            return float("inf")
        if self._waiting and self._phase is Phase.LISTENING:
            return float("inf")  # an operator's sentence comes first
        return self._active_at + idle_s

    def _ask(self, text: str, at: float) -> Action:
        self._asked += 1
        if self._asked > self._limits.reprompts:
            return self._say_theirs(at) if self._waiting else self._close("silence", "farewell", at, final=False)
        return self._say(text, at)

    def _say_theirs(self, at: float) -> Action:
        """The caller has something new to answer to, and all the patience for it."""
        self._asked = 0
        self._theirs = self._waiting.popleft()
        self._expect(at, instead=False)
        return SayTheirs(self._theirs)

    def _say(self, text: str, at: float, *, instead: bool = False) -> Action:
        self._expect(at, instead=instead)
        return Say(text=text, instead=instead)

    def _close(self, reason: str, text: str, at: float, *, final: bool) -> Action:
        instead = self._phase is Phase.THINKING
        self._closing, self._closing_since, self._final = reason, at, final
        self._expect(at, instead=instead)
        return Say(text=text, instead=instead, final=final, then_hang_up=True)

    def _expect(self, at: float, *, instead: bool) -> None:
        self._phase, self._since = Phase.THINKING, at
        self._owed = 1 if instead else self._owed + 1
