"""The assistant's manners as a machine: in every order of events it ends, and never acts after its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.conduct import CLOSING_S, Action, Conduct, End, Phase, Reach, Say
from pipelines.spec import LimitsSpec, TransferSpec, TurnSpec


def conduct(**limits: float) -> Conduct:
    spec = LimitsSpec(**{"silence_s": 10, "answer_timeout_s": 5, **limits})  # type: ignore[arg-type]
    return Conduct(spec, TurnSpec(), 0.0)


def greeted(**limits: float) -> Conduct:
    machine = conduct(**limits)
    assert machine.opens(0.0) == Say(text="greeting")
    machine.speech_started()
    machine.speech_stopped(1.0)
    assert machine.finished(1.0, heard=True, answer=False) is None
    return machine


def test_silence_counts_from_the_last_word() -> None:
    machine = greeted()
    assert machine.phase is Phase.LISTENING
    assert machine.deadline() == 11.0
    assert machine.due(10.9) is None
    assert machine.due(11.0) == Say(text="reprompt")


def test_a_call_in_which_nothing_happens_is_closed_however_loud_the_line_is() -> None:
    machine = greeted(idle_s=30)
    machine.caller_started()
    assert machine.deadline() == 31.0, "from the greeting on; nobody waits for the silence of a television"
    assert machine.due(30.9) is None
    assert machine.due(31.0) == Say(text="farewell", final=True, then_hang_up=True)
    machine.caller_started()
    machine.speech_started()
    assert machine.requested("hangup") == End(reason="silence")


def test_who_speaks_without_a_pause_is_not_idle() -> None:
    machine = greeted(idle_s=30)
    machine.caller_started()
    for at in (20.0, 40.0, 60.0):
        machine.words(at)
        assert machine.due(at + 29) is None
    machine.understood(61.0)
    machine.speech_started()
    assert machine.deadline() > 91.0, "an answer may be long"
    machine.speech_stopped(100.0)
    machine.finished(100.0, heard=True, answer=True)
    machine.caller_started()
    assert machine.deadline() == 130.0


def test_reprompts_are_no_interaction_and_a_ringing_telephone_is() -> None:
    machine = greeted(idle_s=15)
    assert machine.due(11.0) == Say(text="reprompt")
    machine.speech_started()
    machine.speech_stopped(12.0)
    machine.finished(12.0, heard=True, answer=False)
    assert machine.due(16.0) == Say(text="farewell", final=True, then_hang_up=True)
    machine = greeted(idle_s=15)
    assert machine.requested("operator") == End(reason="operator", door="operator")
    transfer = TransferSpec(to="200")
    machine = Conduct(LimitsSpec(idle_s=15, silence_s=10), TurnSpec(), 0.0, transfer=transfer)
    machine.speech_started()
    machine.speech_stopped(1.0)
    machine.finished(1.0, heard=True, answer=False)
    assert machine.requested("operator") == Reach()
    machine.caller_started()
    assert machine.due(60.0) is None
    machine.reached(60.0, "NO_ANSWER")
    machine.speech_started()
    machine.speech_stopped(61.0)
    machine.finished(61.0, heard=True, answer=False)
    machine.caller_started()
    assert machine.deadline() == 76.0


def test_a_pause_between_two_sentences_is_no_silence() -> None:
    machine = greeted()
    machine.caller_started()
    machine.understood(2.0)
    machine.speech_started()
    machine.speech_stopped(3.0)
    assert machine.phase is Phase.THINKING
    machine.speech_started()
    machine.speech_stopped(4.0)
    machine.finished(4.0, heard=True, answer=True)
    assert machine.deadline() == 14.0


def test_a_late_word_of_the_same_failure_is_not_a_second_one() -> None:
    machine = greeted()
    machine.caller_started()
    machine.understood(2.0)
    assert machine.failed(3.0) == Say(text="failure", instead=True)
    assert machine.failed(3.1) is None
    assert machine.deadline() < 3.1 + 5, "in doubt it waits less"
    assert machine.due(machine.deadline()) == End(reason="failure", door="failed")


def test_failures_are_forgotten_after_an_answer() -> None:
    machine = greeted()
    for at in (10.0, 20.0, 30.0):
        machine.caller_started()
        machine.understood(at)
        assert machine.failed(at + 1) == Say(text="failure", instead=True)
        machine.speech_started()
        machine.finished(at + 2, heard=True, answer=False)
        machine.speech_stopped(at + 2)
        machine.caller_started()
        machine.understood(at + 3)
        machine.speech_started()
        machine.speech_stopped(at + 4)
        assert machine.finished(at + 4, heard=True, answer=True) is None


def test_an_answer_of_which_nothing_is_heard_has_failed() -> None:
    machine = greeted()
    machine.caller_started()
    machine.understood(2.0)
    assert machine.finished(3.0, heard=False, answer=True) == Say(text="failure", instead=True)


def test_errors_that_nobody_waited_for_change_nothing() -> None:
    machine = greeted()
    assert machine.failed(2.0) is None
    machine.caller_started()
    assert machine.failed(3.0) is None
    machine.understood(4.0)
    assert machine.failed(4.1, ear=True) is None


@pytest.mark.parametrize("given_up", [False, True])
def test_an_ear_that_fails_has_failed_also_after_its_turn_was_given_up(given_up: bool) -> None:
    machine = greeted()
    machine.caller_started()
    if given_up:
        assert machine.unheard(3.0, noise=True) is None
    assert machine.failed(6.0, ear=True) == Say(text="failure", instead=True)


def test_a_farewell_that_is_never_heard_does_not_keep_the_line() -> None:
    machine = greeted(max_call_s=60)
    machine.caller_started()
    machine.understood(59.0)
    machine.speech_started()
    closing = machine.due(60.0)
    assert closing == Say(text="limit", final=True, then_hang_up=True)
    assert machine.due(60.0 + CLOSING_S - 0.1) is None
    assert machine.due(60.0 + CLOSING_S) == End(reason="max_duration")


@pytest.mark.parametrize(
    ("transfer", "action"),
    [
        (None, End(reason="operator", door="operator")),
        (TransferSpec(to="200"), Reach()),
        (TransferSpec(to="600", mode="blind"), End(reason="transferred", number="600")),
    ],
)
def test_who_wants_a_person_goes_where_the_company_says(transfer: TransferSpec | None, action: Action) -> None:
    machine = Conduct(LimitsSpec(), TurnSpec(), 0.0, transfer=transfer)
    assert machine.requested("operator") == action
    assert machine.requested("hangup") == End(reason="goodbye")


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("caller", "understood", "unheard", "started", "stopped", "heard", "unsaid"),
                *("error", "ear error", "operator", "leave", "time"),
            ]
        ),
        st.floats(0.0, 30.0),
    ),
    max_size=60,
)


def tell(machine: Conduct, event: str, at: float) -> Action | None:
    match event:
        case "caller":
            machine.caller_started()
            machine.interrupted(heard=False)
        case "operator":
            machine.asked_to_say("wait please")
        case "leave":
            return machine.takes_leave(at)
        case "understood":
            machine.understood(at)
        case "unheard":
            return machine.unheard(at, noise=True)
        case "started":
            machine.speech_started()
        case "stopped":
            machine.speech_stopped(at)
        case "heard" | "unsaid":
            return machine.finished(at, heard=event == "heard", answer=True)
        case "error" | "ear error":
            return machine.failed(at, ear=event == "ear error")
    return None


@given(EVENTS, st.integers(1, 5), st.integers(0, 3), st.sampled_from([None, 5.0, 25.0]))
def test_left_alone_every_call_ends_in_bounded_time(
    events: list[tuple[str, float]], max_turns: int, reprompts: int, idle_s: float | None
) -> None:
    limits = LimitsSpec(
        max_call_s=600, max_turns=max_turns, reprompts=reprompts, silence_s=10, answer_timeout_s=5, idle_s=idle_s
    )
    machine = Conduct(limits, TurnSpec(), 0.0)
    actions: list[Action] = [machine.opens(0.0)]
    at = 0.0
    for event, after in events:
        at += after
        if (action := tell(machine, event, at)) is not None:
            actions.append(action)
        while at >= machine.deadline() and not isinstance(actions[-1], End):
            before = machine.deadline()
            action = machine.due(at)
            assert action is not None or machine.deadline() > before, "a deadline that nothing answers spins"
            if action is not None:
                actions.append(action)
    # From here on nothing is ever heard again: the stages are dead and the caller is silent.
    for _ in range(20):
        if isinstance(actions[-1], End):
            break
        at = max(at, machine.deadline())
        if (action := machine.due(at)) is not None:
            actions.append(action)
    assert isinstance(actions[-1], End)
    assert at <= sum(after for _, after in events) + 600 + CLOSING_S + 1


def test_a_service_that_ends_tells_the_caller_and_the_dialplan_has_him() -> None:
    machine = greeted()
    machine.caller_started()
    assert machine.takes_leave(5.0) == Say(text="failure", final=True, then_hang_up=True)
    assert machine.takes_leave(5.1) is None, "once"
    machine.caller_started()
    machine.speech_started()
    assert machine.requested("hangup") == End(reason="shutdown", door="failed"), "nobody speaks over it"
    silent = greeted()
    silent.takes_leave(5.0)
    assert silent.due(5.0 + CLOSING_S) == End(reason="shutdown", door="failed")


def test_what_nobody_has_called_noise_may_be_words_and_noise_is_no_answer() -> None:
    machine = greeted()
    machine.caller_started()
    assert machine.unheard(9.0, noise=True) is None
    assert machine.deadline() == 11.0
    machine.caller_started()
    assert machine.unheard(10.9, noise=False) is None
    assert machine.deadline() == 20.9
    assert machine.due(20.9) == Say(text="reprompt")
