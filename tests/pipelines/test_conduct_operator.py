"""An operator's sentence among the assistant's manners: when it is said, and when it is not."""

import pytest

from pipelines.conduct import MAX_WAITING, Action, Conduct, Phase, Reach, Say, SayTheirs
from pipelines.spec import LimitsSpec, TransferSpec, TurnSpec
from tests.pipelines.test_conduct import conduct, greeted


def said(machine: Conduct, begins: float, ends: float, *, answer: bool = False) -> Action | None:
    """Something of ours is heard to its end."""
    machine.speech_started()
    machine.speech_stopped(ends)
    return machine.finished(ends, heard=True, answer=answer)


def test_an_operators_sentence_is_said_at_once_into_a_silence_which_then_begins_anew() -> None:
    machine = greeted()
    assert machine.asked_to_say("wait please")
    assert machine.due(8.0) == SayTheirs("wait please")
    assert machine.due(8.0) is None, "once"
    said(machine, 8.1, 10.0)
    assert machine.deadline() == 20.0
    assert machine.due(20.0) == Say(text="reprompt")


def test_an_operators_sentence_waits_for_what_is_said_and_owed() -> None:
    machine = conduct()
    machine.opens(0.0)
    machine.asked_to_say("wait please")
    assert machine.due(0.5) is None, "the greeting is not heard yet"
    machine.speech_started()
    assert machine.due(0.6) is None
    machine.caller_started()
    assert machine.due(1.0) is None, "the caller speaks"
    machine.understood(2.0)
    assert machine.due(2.1) is None, "the caller is owed an answer"
    said(machine, 2.5, 3.0, answer=True)
    assert machine.due(3.0) == SayTheirs("wait please")


def test_a_caller_of_whom_nothing_was_understood_gets_the_operators_sentence() -> None:
    machine = greeted()
    machine.caller_started()
    machine.asked_to_say("wait please")
    assert machine.unheard(3.0, noise=True) is None
    assert machine.due(3.0) == SayTheirs("wait please")


def test_nobody_takes_leave_while_an_operator_has_something_to_say() -> None:
    machine = greeted(reprompts=0)
    machine.asked_to_say("wait please")
    machine.due(2.0)
    machine.speech_started()
    machine.caller_started()
    machine.interrupted(heard=True)
    machine.asked_to_say("I come to the telephone")
    assert machine.unheard(3.0, noise=True) == SayTheirs("I come to the telephone"), "and no farewell"


@pytest.mark.parametrize("begun", [False, True])
def test_a_sentence_of_which_no_word_was_heard_comes_again(begun: bool) -> None:
    machine = greeted()
    machine.asked_to_say("wait please")
    assert machine.due(2.0) == SayTheirs("wait please")
    if begun:
        machine.speech_started()
    machine.caller_started()
    machine.interrupted(heard=False)
    machine.understood(3.0)
    assert machine.due(3.1) is None
    said(machine, 3.5, 4.0, answer=True)
    assert machine.due(4.0) == SayTheirs("wait please")
    machine.speech_started()
    machine.caller_started()
    machine.interrupted(heard=True)
    machine.understood(6.0)
    said(machine, 6.5, 7.0, answer=True)
    assert machine.due(7.0) is None, "what was begun is not begun anew"


def test_one_that_comes_again_comes_before_those_behind_it() -> None:
    machine = greeted()
    machine.asked_to_say("first")
    machine.asked_to_say("second")
    assert machine.due(8.0) == SayTheirs("first")
    machine.caller_started()
    machine.interrupted(heard=False)
    machine.understood(9.0)
    said(machine, 9.5, 10.0, answer=True)
    assert machine.due(10.0) == SayTheirs("first")
    said(machine, 10.1, 11.0)
    assert machine.due(11.0) == SayTheirs("second")


def test_several_sentences_come_one_after_the_other() -> None:
    machine = greeted()
    machine.asked_to_say("one")
    machine.asked_to_say("two")
    assert machine.due(2.0) == SayTheirs("one")
    assert machine.due(2.0) is None
    said(machine, 2.1, 3.0)
    assert machine.due(3.0) == SayTheirs("two")


def test_an_operators_sentence_renews_the_patience() -> None:
    machine = greeted(reprompts=1)
    assert machine.due(11.0) == Say(text="reprompt")
    said(machine, 11.1, 12.0)
    machine.asked_to_say("wait please")
    assert machine.due(12.0) == SayTheirs("wait please")
    said(machine, 12.1, 13.0)
    assert machine.due(23.0) == Say(text="reprompt"), "and not the farewell"


def test_in_a_call_that_takes_leave_an_operators_sentence_is_not_said() -> None:
    machine = greeted(reprompts=0)
    assert machine.due(11.0) == Say(text="farewell", then_hang_up=True)
    assert machine.asked_to_say("wait please")
    said(machine, 11.1, 12.0)
    assert machine.due(12.1) is None
    machine.caller_started()  # who takes the farewell back
    machine.unheard(13.0, noise=True)
    assert machine.phase is Phase.LISTENING
    assert machine.due(13.1) is None


def test_what_waits_when_the_call_takes_leave_is_not_said_any_more() -> None:
    machine = greeted(max_call_s=5)
    machine.caller_started()
    machine.asked_to_say("wait please")
    assert machine.due(5.0) == Say(text="limit", final=True, then_hang_up=True)
    said(machine, 5.1, 6.0)
    assert machine.due(6.1) is None


def test_an_operators_sentence_is_said_while_somebodys_telephone_rings() -> None:
    machine = Conduct(LimitsSpec(), TurnSpec(), 0.0, transfer=TransferSpec(to="200"))
    machine.opens(0.0)
    said(machine, 0.1, 1.0)
    assert machine.requested("operator") == Reach()
    machine.asked_to_say("it rings")
    assert machine.due(2.0) == SayTheirs("it rings")
    said(machine, 2.1, 3.0)
    assert machine.due(100.0) is None, "who waits for a person is not asked whether he is there"
    assert machine.reached(101.0, "NO_ANSWER") == Say(text="operator_away", instead=True)


@pytest.mark.parametrize("hangs", [False, True])
def test_a_sentence_that_cannot_be_spoken_has_failed_like_any_other(hangs: bool) -> None:
    machine = greeted()
    machine.asked_to_say("wait please")
    machine.due(2.0)
    failure = machine.due(7.0) if hangs else machine.finished(7.0, heard=False, answer=False)
    assert failure == Say(text="failure", instead=True)
    machine.interrupted(heard=False)
    said(machine, 7.1, 8.0)
    assert machine.due(8.1) is None, "nor is it tried again"


def test_a_sentence_that_was_heard_does_not_come_again() -> None:
    machine = greeted()
    machine.asked_to_say("wait please")
    machine.due(2.0)
    said(machine, 2.1, 3.0)
    machine.caller_started()
    machine.interrupted(heard=False)
    assert machine.unheard(5.0, noise=True) is None
    assert machine.due(5.0) is None


def test_no_more_sentences_wait_than_anybody_would_hear() -> None:
    machine = greeted()
    machine.caller_started()
    assert all(machine.asked_to_say(str(number)) for number in range(MAX_WAITING))
    assert not machine.asked_to_say("one more")
