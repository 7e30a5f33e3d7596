"""What each answer means, in every situation it can come in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.kernel.retrying import Backoff
from payops.withdrawals.domain import ECHOES, FINAL, TRANSITIONS, Event, State, Withdrawal
from payops.withdrawals.ports import (
    Answer,
    AnswerLost,
    CredentialRefused,
    Declined,
    NoAnswer,
    NotDelivered,
    NotKnown,
    Outcome,
    Report,
    Taken,
)
from payops.withdrawals.service import deciding
from payops.withdrawals.service.deciding import UNAVAILABLE, Observation, Policy

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
POLICY = Policy(
    retry=Backoff(attempts_max=5, base=SECOND, jitter=timedelta()),
    first_ask=30 * SECOND,
    ask_every=MINUTE,
    sent_grace=15 * MINUTE,
    unknown_answers_max=3,
)
LOST = AnswerLost("timeout", is_outage=True)
ANSWERS = [
    Taken("po_1"),
    Declined("C1", "The phone number is not registered"),
    CredentialRefused("401"),
    NotDelivered("refused"),
    LOST,
    AnswerLost("2xx failed", repeatable=False),
]


def withdrawal(**fields: Any) -> Withdrawal:
    given_fields: dict[str, Any] = {"state": State.SENDING, "attempts": 1} | fields
    return Withdrawal(
        user_id="usr_1",
        id=UUID(int=1),
        amount_minor=10_000,
        rail="lipana",
        hold_id=UUID(int=2),
        phone_sealed=b"",
        phone_index=b"",
        phone_masked="",
        caller="key:1",
        created_at=NOW,
        updated_at=NOW,
        due_at=NOW,
        **given_fields,
    )


def of_answer(
    answer: Answer,
    *,
    deduplicates: bool = True,
    breaker_wait: timedelta | None = None,
    is_only: bool = True,
    **fields: Any,
) -> Observation:
    return deciding.of_answer(
        withdrawal(**fields),
        answer,
        POLICY,
        deduplicates=deduplicates,
        breaker_wait=breaker_wait,
        is_only=is_only,
    )


def test_taken_is_not_paid() -> None:
    """It is sent, may have been acted on, and is asked about after the grace."""
    seen = of_answer(Taken("po_1"), tries=2)

    assert (Event.TAKEN, 15 * MINUTE, 3, True, "po_1") == (
        seen.event,
        seen.due_in,
        seen.tries,
        seen.is_doubtful,
        seen.reference,
    )


def test_declined_without_doubt_fails_with_words_that_may_be_shown() -> None:
    """The rail's words are scrubbed, its code kept."""
    seen = of_answer(Declined("2001", "Amina 0700000012 is not registered"))

    assert Event.DECLINED is seen.event
    assert seen.failure is not None
    assert ("declined", "2001") == (seen.failure.code, seen.failure.provider_code)
    assert "Amina" not in seen.failure.message
    assert "0700000012" not in seen.failure.message
    assert not seen.is_doubtful


def test_the_rail_s_own_code_is_kept() -> None:
    """From a reply and from a report alike: support looks it up in the rail's list."""
    declined = of_answer(Declined("E17", "no")).failure
    report = Report(Outcome.FAILED, code="SFC_IC0003")
    reported = deciding.of_report(withdrawal(), report, POLICY, "rail:lipana").failure

    assert declined is not None
    assert reported is not None
    assert ("E17", "SFC_IC0003") == (declined.provider_code, reported.provider_code)


def test_declined_without_words_still_explains_itself() -> None:
    """A failure always has a message."""
    failure = of_answer(Declined("", "")).failure

    assert failure is not None
    assert "The payment provider declined the payout." == failure.message


def test_declined_after_doubt_is_asked_about() -> None:
    """An earlier send may be the one that pays: no release on the no to a later one."""
    seen = of_answer(Declined("E17", "no"), is_doubtful=True, tries=1)

    assert (Event.ANSWER_LOST, 30 * SECOND, None) == (seen.event, seen.due_in, seen.failure)


@pytest.mark.parametrize(("breaker_wait", "wait"), [(None, SECOND), (30 * SECOND, 30 * SECOND)])
def test_a_refused_credential_costs_no_try(breaker_wait: timedelta | None, wait: timedelta) -> None:
    """It is our fault: back into the queue, as often as it takes."""
    seen = of_answer(CredentialRefused("401"), tries=4, breaker_wait=breaker_wait)

    assert (Event.TURNED_AWAY, wait, None) == (seen.event, seen.due_in, seen.tries)


def test_a_refused_credential_after_doubt_does_not_make_it_cancellable() -> None:
    """What may have been acted on never goes back to ``pending``."""
    seen = of_answer(CredentialRefused("401"), is_doubtful=True, breaker_wait=30 * SECOND)

    assert (Event.RETRYING, 30 * SECOND, None) == (seen.event, seen.due_in, seen.tries)


@pytest.mark.parametrize(("tries", "wait"), [(0, 1), (1, 2), (2, 4), (3, 8)])
@pytest.mark.parametrize("deduplicates", [True, False])
def test_what_never_connected_is_sent_again_on_any_rail(
    tries: int, wait: int, *, deduplicates: bool
) -> None:
    """The wait doubles with each try."""
    seen = of_answer(NotDelivered("refused"), deduplicates=deduplicates, tries=tries)

    assert (Event.RETRYING, wait * SECOND, tries + 1, False) == (
        seen.event,
        seen.due_in,
        seen.tries,
        seen.is_doubtful,
    )


def test_what_never_connected_five_times_fails() -> None:
    """Nothing was ever sent, so the money is the user's again."""
    seen = of_answer(NotDelivered("refused"), tries=4)

    assert (Event.GAVE_UP, UNAVAILABLE, 5) == (seen.event, seen.failure, seen.tries)


def test_never_connecting_the_fifth_time_after_doubt_is_asked_about() -> None:
    """The other four may have been acted on."""
    seen = of_answer(NotDelivered("refused"), tries=4, is_doubtful=True)

    assert (Event.ANSWER_LOST, None) == (seen.event, seen.failure)


@pytest.mark.parametrize(("doubt", "event"), [(False, Event.TURNED_AWAY), (True, Event.RETRYING)])
def test_while_the_breaker_is_open_what_never_left_waits_in_the_queue(
    event: Event, *, doubt: bool
) -> None:
    """Cancellable if nothing can have been acted on, and otherwise not."""
    seen = of_answer(NotDelivered("refused"), breaker_wait=30 * SECOND, is_doubtful=doubt)

    assert (event, 30 * SECOND) == (seen.event, seen.due_in)


def test_a_lost_answer_is_repeated_where_the_rail_de_duplicates() -> None:
    """With the same id, after the wait, and in doubt from now on."""
    seen = of_answer(LOST, tries=1)

    assert (Event.RETRYING, 2 * SECOND, 2, True) == (
        seen.event,
        seen.due_in,
        seen.tries,
        seen.is_doubtful,
    )


def test_a_longer_retry_after_or_breaker_wins_over_the_backoff() -> None:
    """Whoever asks for more patience gets it."""
    polite = replace(LOST, retry_after=20 * SECOND)

    assert 20 * SECOND == of_answer(polite).due_in
    assert 30 * SECOND == of_answer(polite, breaker_wait=30 * SECOND).due_in


@pytest.mark.parametrize(
    ("answer", "situation"),
    [
        (LOST, {"tries": 4}),
        (LOST, {"deduplicates": False}),
        (AnswerLost("2xx failed", repeatable=False), {}),
        (replace(LOST, retry_after=SECOND), {"deduplicates": False}),
    ],
)
def test_a_lost_answer_is_otherwise_asked_about(answer: Answer, situation: Any) -> None:
    """Tries used up, a rail that would pay twice, or an answer that repeating cannot clear up."""
    seen = of_answer(answer, **situation)

    assert (Event.ANSWER_LOST, 30 * SECOND, True) == (seen.event, seen.due_in, seen.is_doubtful)


@given(
    st.sampled_from(ANSWERS),
    st.booleans(),
    st.integers(0, 12),
    st.sampled_from([None, 30 * SECOND]),
)
def test_doubt_never_leads_to_a_release_or_back_to_the_queue(
    answer: Answer,
    deduplicates: bool,  # noqa: FBT001 - drawn
    tries: int,
    breaker_wait: timedelta | None,
) -> None:
    """Once an attempt may have been acted on, no reply to a send frees the money."""
    seen = of_answer(
        answer,
        deduplicates=deduplicates,
        breaker_wait=breaker_wait,
        tries=tries,
        is_doubtful=True,
    )

    assert seen.event in {Event.TAKEN, Event.RETRYING, Event.ANSWER_LOST}
    assert seen.failure is None


@given(st.sampled_from([LOST, AnswerLost("x", repeatable=False)]), st.integers(0, 12))
def test_a_rail_that_does_not_de_duplicate_gets_nothing_twice(answer: Answer, tries: int) -> None:
    """Whatever the number of tries, a lost answer is never a reason to send."""
    seen = of_answer(answer, deduplicates=False, tries=tries)

    assert Event.ANSWER_LOST is seen.event


@pytest.mark.parametrize("state", [State.COMPLETED, State.REVERSED])
@pytest.mark.parametrize(
    "answer", [Declined("C1", "no"), CredentialRefused("401"), NotDelivered("refused")]
)
def test_a_denial_of_the_only_send_contradicts_that_it_was_paid(
    answer: Answer, state: State
) -> None:
    """It was called back as paid during the call, so the table must see a contradiction."""
    seen = of_answer(answer, state=state, is_doubtful=True)

    assert (Event.DECLINED, None) == (seen.event, seen.failure)
    assert (state, seen.event) not in TRANSITIONS
    assert (state, seen.event) not in ECHOES


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_reply_to_a_repeat_contradicts_nothing(answer: Answer) -> None:
    """An earlier send may be the one that was paid."""
    seen = of_answer(answer, state=State.COMPLETED, is_doubtful=True, is_only=False)

    assert (State.COMPLETED, seen.event) in ECHOES


def test_a_lease_that_ended_in_silence_is_doubt() -> None:
    """The process that sent it is gone; what it sent may not be."""
    seen = deciding.of_silence(withdrawal(), POLICY)

    assert (Event.ANSWER_LOST, "system:lease", True) == (seen.event, seen.actor, seen.is_doubtful)


@pytest.mark.parametrize(
    ("outcome", "event", "failure"),
    [
        (Outcome.PAID, Event.REPORTED_PAID, None),
        (Outcome.FAILED, Event.REPORTED_FAILED, "payout_failed"),
        (Outcome.PENDING, Event.TAKEN, None),
    ],
)
def test_a_report_says_paid_failed_or_still_on_its_way(
    outcome: Outcome, event: Event, failure: str | None
) -> None:
    """And names the payout and its receipt."""
    report = Report(outcome, reference="po_1", receipt="RCPT1", code="E1", message="no")

    seen = deciding.of_report(withdrawal(), report, POLICY, "rail:lipana")

    assert (event, "po_1", "RCPT1", 1) == (
        seen.event,
        seen.reference,
        seen.receipt,
        seen.questions,
    )
    assert failure == (seen.failure.code if seen.failure else None)


@pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.PENDING])
def test_of_what_is_queued_a_report_says_that_it_was_sent(outcome: Outcome) -> None:
    """By somebody whose record is lost. It is asked about at once, by the name we now have."""
    report = Report(outcome, reference="po_1", receipt="RCPT1")

    seen = deciding.of_report(withdrawal(state=State.PENDING), report, POLICY, "rail:lipana")

    assert (Event.DOUBTED, timedelta(), True, 0) == (
        seen.event,
        seen.due_in,
        seen.is_doubtful,
        seen.questions,
    )
    assert ("po_1", "RCPT1", None) == (seen.reference, seen.receipt, seen.failure)


def test_of_what_is_queued_a_failure_is_no_doubt() -> None:
    """Nobody was paid: the table calls it a contradiction, and it may still be sent."""
    queued = withdrawal(state=State.PENDING)

    seen = deciding.of_report(queued, Report(Outcome.FAILED), POLICY, "rail:lipana")

    assert (State.PENDING, seen.event) not in TRANSITIONS


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_final_one_is_asked_again_only_after_silence_and_not_for_ever(state: State) -> None:
    """An answer ends it, whatever it is; so does a day without one."""
    fresh = withdrawal(state=state, questions=0)
    asked_enough = withdrawal(state=state, questions=deciding.FINAL_QUESTIONS_MAX - 1)
    known = withdrawal(state=state, unknown_answers=9, unknown_at=NOW - MINUTE)

    assert MINUTE == deciding.of_no_report(fresh, NoAnswer("503"), POLICY, NOW).due_in
    assert None is deciding.of_no_report(asked_enough, NoAnswer("503"), POLICY, NOW).due_in
    not_known = deciding.of_no_report(known, NotKnown(), POLICY, NOW)
    assert (None, None, None) == (not_known.event, not_known.due_in, not_known.unknown_answers)
    assert None is deciding.of_disbelief(fresh, POLICY).due_in


def test_an_answer_that_is_not_believed_is_asked_for_again() -> None:
    """As long as it is open; it is never counted as "not known"."""
    seen = deciding.of_disbelief(withdrawal(state=State.UNRESOLVED, questions=1), POLICY)

    assert (None, 2 * MINUTE, 2, None) == (
        seen.event,
        seen.due_in,
        seen.questions,
        seen.unknown_answers,
    )


@pytest.mark.parametrize(("questions", "wait"), [(0, 1), (1, 2), (4, 16), (6, 60), (500, 60)])
def test_questions_come_at_growing_distances_up_to_an_hour(questions: int, wait: int) -> None:
    """Doubling from a minute."""
    asked = withdrawal(state=State.UNRESOLVED, questions=questions)

    seen = deciding.of_no_report(asked, NoAnswer("timeout"), POLICY, NOW)

    assert (None, wait * MINUTE, questions + 1) == (seen.event, seen.due_in, seen.questions)


def test_no_answer_is_never_counted_as_not_known() -> None:
    """Silence says nothing about the payout, however long it lasts."""
    asked = withdrawal(state=State.UNRESOLVED, unknown_answers=2)

    seen = deciding.of_no_report(asked, NoAnswer("timeout"), POLICY, NOW)

    assert (None, None) == (seen.event, seen.unknown_answers)


def test_not_known_often_enough_goes_to_a_person_and_is_never_a_failure() -> None:
    """The third spaced answer is the last that is waited for."""
    state = State.UNRESOLVED
    earlier = NOW - MINUTE

    second = withdrawal(state=state, unknown_answers=1, unknown_at=earlier)
    third = withdrawal(state=state, unknown_answers=2, unknown_at=earlier)

    assert None is deciding.of_no_report(second, NotKnown(), POLICY, NOW).event
    seen = deciding.of_no_report(third, NotKnown(), POLICY, NOW)
    assert (Event.STAYED_UNCLEAR, 3, None) == (seen.event, seen.unknown_answers, seen.failure)


def test_two_not_known_in_one_breath_are_one() -> None:
    """Answers count only when they are spaced."""
    asked = withdrawal(state=State.SENT, unknown_answers=2, unknown_at=NOW - 59 * SECOND)

    seen = deciding.of_no_report(asked, NotKnown(), POLICY, NOW)

    assert (None, None) == (seen.event, seen.unknown_answers)


def test_not_known_under_review_stays_under_review() -> None:
    """It has a person already."""
    asked = withdrawal(state=State.REVIEW, unknown_answers=3, unknown_at=NOW - MINUTE)

    assert None is deciding.of_no_report(asked, NotKnown(), POLICY, NOW).event


@pytest.mark.parametrize("state", [State.PENDING, State.SENDING])
@pytest.mark.parametrize("answer", [NotKnown(), NoAnswer("503")])
def test_a_question_does_not_move_the_due_time_of_a_send(
    answer: NotKnown | NoAnswer, state: State
) -> None:
    """There, what is due is the next attempt or the end of the lease."""
    seen = deciding.of_no_report(withdrawal(state=state), answer, POLICY, NOW)

    assert (None, None, None) == (seen.event, seen.due_in, seen.unknown_answers)


def test_more_than_one_candidate_is_for_a_person() -> None:
    """No code may choose whose payout it was."""
    seen = deciding.of_ambiguity(withdrawal(state=State.UNRESOLVED), 2)

    assert (Event.STAYED_UNCLEAR, {"candidates": 2}) == (seen.event, seen.detail)
