"""Everything that can happen to a withdrawal, in any order, against the real database.

A model keeps what was credited, debited and asked for; the rail keeps its own book. After each
step the books are sound and equal to the model's; at the end every payout that was made is a
completed withdrawal, and every completed withdrawal a payout.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, ClassVar, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from payops.app import operations_of
from payops.kernel.ids import new_id
from payops.ops import service as ops
from payops.pii.domain import Msisdn
from payops.switches import service as switches
from payops.withdrawals.domain import FINAL, Event, State, Withdrawal, read
from payops.withdrawals.errors import NotCancellable
from payops.withdrawals.ports import Answer, Outcome
from payops.withdrawals.service import deciding
from payops.withdrawals.service.deciding import UNAVAILABLE, Observation, Policy
from payops.withdrawals.service.settling import Settlement
from tests.support.rail import NEVER_CONNECTED, NO, OUTAGE, UNCLEAR, FakeRail
from tests.support.shop import Shop, running_shop

pytestmark = pytest.mark.no_cover  # a thousand steps over the same lines, at half the speed
USERS: Final = ("a", "b")
EXAMPLES: Final = 22
STEPS: Final = 40
ROUNDS_MAX: Final = 20
RELEASED: Final = frozenset({State.FAILED, State.CANCELLED})
HOLDING: Final = frozenset(State) - FINAL
SENT_AND_OPEN: Final = HOLDING - {State.PENDING}
# What the rail answers to a send, and whether it acted on it. Anything may follow a doubt.
ANSWERS: Final[dict[str, tuple[Answer, bool]]] = {
    "lost, acted on": (OUTAGE, True),
    "lost, never arrived": (OUTAGE, False),
    "unclear, acted on": (UNCLEAR, True),
    "unclear, never arrived": (UNCLEAR, False),
    "declined": (NO, False),
    "never connected": (NEVER_CONNECTED, False),
}


# The last is rare by chance, and the one that pays twice if it is believed.
SAYINGS: Final = st.one_of(
    st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=4),
    st.just(["lost, acted on", "declined"]),
)
SEEN: Counter[State] = Counter()  # how often each state was met, over all runs


class World:
    """One shop and one event loop for all the runs: only the users are new in each."""

    def __init__(self, runner: asyncio.Runner, shop: Shop) -> None:
        self.runner = runner
        self.shop = shop

    def __call__(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)


class MoneyMachine(RuleBasedStateMachine):
    world: ClassVar[World]
    phones: ClassVar[int] = 0
    withdrawals = Bundle("withdrawals")

    def __init__(self) -> None:
        super().__init__()
        self.run, self.shop = self.world, self.world.shop
        self.name = f"usr_{new_id().hex[:12]}"
        self.credited = dict.fromkeys(USERS, 0)  # whole shillings, less what was debited
        self.asked: dict[str, tuple[str, int]] = {}  # by txid: whose, how much

    # What customers do

    @initialize()
    def begin_with_money(self) -> None:
        for who in USERS:
            self.credit(who, 300)

    @rule(who=st.sampled_from(USERS), kes=st.integers(10, 300))
    def credit(self, who: str, kes: int) -> None:
        self.run(self.shop.funds(self.user(who), kes))
        self.credited[who] += kes

    @rule(
        who=st.sampled_from(USERS),
        kes=st.integers(10, 200),
        target=withdrawals,
        times=st.integers(1, 3),
    )
    def request(self, who: str, kes: int, times: int) -> Any:
        """The same key several times at once; what there is not enough for is refused."""
        key = str(new_id())
        available = self.expected(who)[0]

        async def ask() -> list[Any]:
            phone = Msisdn(f"2547000000{len(self.asked) % 100:02}")
            return await asyncio.gather(
                *(
                    self.shop.asks_for(kes, user=self.user(who), to=phone, key=key)
                    for _ in range(times)
                )
            )

        answers = self.run(ask())
        assert {202 if kes <= available else 422} == {answer.status for answer in answers}
        assert 1 == len({answer.body for answer in answers})
        txid: str | None = answers[0].resource
        if txid is None:
            return multiple()
        self.asked[txid] = who, kes
        return txid

    @rule(txid=withdrawals)
    def cancel(self, txid: str) -> None:
        pending = self.states()[txid] in {State.PENDING, State.CANCELLED}
        try:
            self.run(self.shop.cancels(txid))
        except NotCancellable:
            assert not pending

    # What the worker does

    @rule(answers=SAYINGS)
    def send(self, answers: list[str]) -> None:
        """Send all that is due; the rail answers as told, then takes everything."""
        self.shop.rail._script.extend(ANSWERS[answer] for answer in answers)
        self.run(self.shop.sends())
        self.shop.rail._script.clear()

    @rule()
    def die_while_sending(self) -> None:
        """The attempt is on record, and the process that made it is gone."""
        self.run(self.shop.services.sender._claims.due(1))

    @rule()
    def time_passes(self) -> None:
        """Leases end, retries and questions become due."""
        self.run(self.all_due())

    @rule()
    def sweep(self) -> None:
        self.run(self.shop.asks())

    @rule()
    def reconcile(self) -> None:
        self.run(self.shop.reconciles())

    # What the rail does

    @rule(txid=withdrawals, outcome=st.sampled_from([Outcome.PAID, Outcome.FAILED]))
    def rail_decides(self, txid: str, outcome: Outcome) -> None:
        for booked in self.shop.rail.payouts_of(txid):
            if booked.outcome is Outcome.PENDING:
                booked.outcome = outcome

    @rule(txid=withdrawals, copies=st.integers(1, 3))
    def call_back(self, txid: str, copies: int) -> None:
        """The truth, several times at once."""
        for booked in self.shop.rail.payouts_of(txid):
            if booked.outcome is not Outcome.PENDING:
                status = "success" if booked.outcome is Outcome.PAID else "failed"
                self.hear(txid, copies, status=status)

    @rule(txid=withdrawals, status=st.sampled_from(["success", "failed"]))
    def call_back_against_the_facts(self, txid: str, status: str) -> None:
        """Late and contradictory: a final state never changes because of one."""
        if self.states()[txid] in FINAL:
            before = self.states()[txid]
            self.hear(txid, 1, status=status)
            assert before == self.states()[txid]

    @rule(txid=withdrawals, off=st.sampled_from([-1, 1, 1_000]))
    def call_back_with_another_amount(self, txid: str, off: int) -> None:
        before = self.states()[txid]
        self.hear(txid, 1, status="success", amountKES=self.asked[txid][1] + off)
        assert before == self.states()[txid]

    # What our own machines do

    @rule(txid=withdrawals, heard=st.booleans())
    def fail_over(self, txid: str, heard: bool) -> None:  # noqa: FBT001 - drawn
        """A standby that never heard of the send takes over; people halt, doubt, and go on."""
        if self.states()[txid] not in SENT_AND_OPEN:
            return
        self.run(self.forget(txid))
        if heard:
            self.call_back(txid, 1)
        self.run(self.doubt(txid))

    # What must hold

    @invariant()
    def books_are_right(self) -> None:
        self.run(self.shop.assert_books())
        for who in USERS:
            assert self.expected(who) == self.run(self.shop.balance(self.user(who)))

    @invariant()
    def nothing_paid_is_released(self) -> None:
        states = self.states()
        SEEN.update(states.values())
        for txid in self.asked:
            booked = self.shop.rail.payouts_of(txid)
            assert len(booked) <= 1, "sent twice"
            if states[txid] in RELEASED:
                assert all(one.outcome is Outcome.FAILED for one in booked)
            if states[txid] is State.COMPLETED:
                assert [Outcome.PAID] == [one.outcome for one in booked]

    def teardown(self) -> None:
        """Left alone with an honest rail, everything comes to rest, and as the rail says."""
        self.shop.rail._script.clear()
        for booked in self.shop.rail.book:
            if booked.outcome is Outcome.PENDING:
                booked.outcome = Outcome.PAID
        for _ in range(ROUNDS_MAX):
            states = self.states()
            if all(state in FINAL or state is State.REVIEW for state in states.values()):
                break
            self.run(self.all_due())
            self.run(self.shop.sends())
            for booked in self.shop.rail.book:
                if booked.outcome is Outcome.PENDING:
                    booked.outcome = Outcome.PAID
            self.run(self.all_due())
            self.run(self.shop.asks())
        self.books_are_right()
        self.nothing_paid_is_released()
        for txid, state in self.states().items():
            paid = [one for one in self.shop.rail.payouts_of(txid) if one.outcome is Outcome.PAID]
            assert bool(paid) == (state is State.COMPLETED), (txid, state)

    def user(self, who: str) -> str:
        return f"{self.name}_{who}"

    def states(self) -> dict[str, State]:
        rows = self.run(
            self.shop.fetch(
                "SELECT resource, w.state FROM withdrawals w JOIN idempotency_keys k"
                " ON k.user_id = w.user_id AND k.created_at = w.created_at"
                " WHERE w.user_id = ANY($1::text[]) AND k.resource IS NOT NULL",
                [self.user(who) for who in USERS],
            )
        )
        return {row["resource"]: State(row["state"]) for row in rows}

    def expected(self, who: str) -> tuple[int, int]:
        """Available and held, in whole shillings, as the model has them."""
        states = self.states()
        mine = [(states[txid], kes) for txid, (whose, kes) in self.asked.items() if whose == who]
        assert len(states) == len(self.asked), "a withdrawal that was acknowledged is not there"
        held = sum(kes for state, kes in mine if state in HOLDING)
        gone = sum(kes for state, kes in mine if state not in RELEASED)
        return self.credited[who] - gone, held

    async def forget(self, txid: str) -> None:
        """The row as an asynchronous standby has it: accepted, and nothing more."""
        for table in ("payout_attempts", "payout_references"):
            await self.shop.execute(
                f"DELETE FROM {table} WHERE withdrawal_id = $1",
                read(txid),
            )
        await self.shop.execute(
            "UPDATE withdrawals SET state = 'pending', attempts = 0, tries = 0,"
            " is_doubtful = false, questions = 0, unknown_answers = 0, first_sent_at = NULL,"
            " provider_reference = NULL, receipt = NULL, due_at = now() WHERE id = $1",
            read(txid),
        )

    async def doubt(self, txid: str) -> None:
        async with self.shop.db.transaction() as tx:
            await switches.halt(tx, "withdrawals", reason="failover", actor="person:a")
        await ops.doubt(
            operations_of(self.shop.services),
            [txid],
            since=None,
            reason="failover",
            dry_run=False,
            actor="person:a",
        )
        async with self.shop.db.transaction() as tx:
            await switches.resume(tx, "withdrawals", reason="doubted", actor="person:b")

    async def all_due(self) -> None:
        # One that was heard of a moment ago counts as spaced, too.
        await self.shop.execute(
            "UPDATE withdrawals SET due_at = now(), unknown_at = unknown_at - interval '1 hour'"
            " WHERE due_at IS NOT NULL AND user_id = ANY($1::text[])",
            [self.user(who) for who in USERS],
        )

    def hear(self, txid: str, copies: int, **said: object) -> None:
        who, kes = self.asked[txid]
        content = {"transactionId": txid, "userId": self.user(who), "amountKES": kes} | said

        async def hear() -> None:
            await asyncio.gather(*(self.shop.delivers(content) for _ in range(copies)))
            await self.shop.services.inbox.drained()

        self.run(hear())


def explore(url: str) -> None:
    """Run the machine against the database at ``url``."""
    SEEN.clear()
    with asyncio.Runner() as runner:
        running = running_shop(url, FakeRail())
        shop = runner.run(running.__aenter__())
        MoneyMachine.world = World(runner, shop)
        try:
            run_state_machine_as_test(
                MoneyMachine,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    derandomize=True,
                    database=None,
                    phases=[Phase.generate],  # shrinking would take minutes, and says no more
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(running.__aexit__(None, None, None))


def test_no_order_of_events_breaks_the_books(url: str) -> None:
    """
    Credits, requests, cancellations, lost answers, crashes, callbacks and questions, at random.
    """
    explore(url)

    assert set(State) - {State.REVERSED} <= set(SEEN), "the machine does not get about"


def _refunds_on_a_doubt(patch: pytest.MonkeyPatch) -> None:
    def lost(_: Withdrawal, actor: str, __: Policy) -> Observation:
        return Observation(Event.REPORTED_FAILED, actor, failure=UNAVAILABLE)

    patch.setattr(deciding, "_lost", lost)


def _believes_a_refusal_after_a_doubt(patch: pytest.MonkeyPatch) -> None:
    original = deciding.of_answer

    def of_answer(withdrawal: Withdrawal, *arguments: Any, **named: Any) -> Observation:
        return original(replace(withdrawal, is_doubtful=False), *arguments, **named)

    patch.setattr(deciding, "of_answer", of_answer)


def _ignores_the_amount(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Settlement, "mismatches", lambda *_: [])


def _forgets_a_doubt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deciding, "of_doubt", lambda actor, *_, **__: Observation(None, actor))
    patch.setattr(ops, "doubt", _does_nothing)


async def _does_nothing(*_: object, **__: object) -> None:
    pass


@pytest.mark.parametrize(
    "plant",
    [
        _refunds_on_a_doubt,
        _believes_a_refusal_after_a_doubt,
        _ignores_the_amount,
        _forgets_a_doubt,
    ],
)
def test_the_machine_finds(
    plant: Callable[[pytest.MonkeyPatch], None], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A fault planted in the rules is met by some order of events.
    """
    plant(monkeypatch)

    with pytest.raises(AssertionError):
        explore(url)
