"""Everything that can happen to a deposit, in any order, against the real database.

The mint keeps the book of what arrived; the model knows what each arrival is worth. After each
step nothing is credited but that, once, and the books are sound; in the end all of it is.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, ClassVar, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from payops.deposits.domain.invoices import Checkout, Invoice, ReceiptState
from payops.deposits.domain.states import SETTLED, TRANSITIONS, State
from payops.deposits.domain.valuation import Quote
from payops.deposits.errors import ProviderFailed
from payops.deposits.ports import AnswerLost, Arrival, NoAnswer, NotKnown, ReadAnswer, Snapshot
from payops.deposits.service import crediting, deciding
from payops.deposits.store import writing
from payops.kernel.ids import new_id
from payops.switches import service as switches
from tests.support.mint import ADDRESSES, Mint, signed
from tests.support.till import Till, open_till

EXAMPLES: Final = 14
STEPS: Final = 35
ROUNDS: Final = 4
MARKET_USD: Final = 2_000  # for a coin; the quote is 1,000
QUOTED_UNTIL: Final = datetime.now(UTC) + timedelta(hours=6)
IN_TIME, TOO_LATE = QUOTED_UNTIL - timedelta(hours=1), QUOTED_UNTIL + timedelta(hours=1)
COUNTED: Final = ("credited", "reversed")
BAD_READS: Final[Mapping[str, ReadAnswer]] = {
    "html": NoAnswer("unreadable"),
    "outage": NoAnswer("503", is_outage=True),
    "404": NotKnown(),
}
LIES: Final[Mapping[str, dict[str, Any]]] = {
    "address": {"address": "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"},
    "price": {"priceMinor": 1},
    "order": {"order": "inv_00000000000000000000000000"},
}
SEEN: Counter[str] = Counter()  # how often each state and method was met, over all runs


@dataclass(frozen=True, slots=True)
class World:
    """Two replicas on one database, one mint, one event loop: only the users are new in a run."""

    runner: asyncio.Runner
    replicas: tuple[Till, Till]

    def __call__(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)


@dataclass(frozen=True, slots=True)
class Bought:
    """What the model knows of a payment: whose, at which quote, and why it may be credited."""

    invoice: Invoice
    kind: str  # primary, hosted, child, orphan
    pay_amount: Decimal

    def value(self, amount: Decimal, arrived_at: datetime) -> int | None:
        """In minor units; ``None`` if a person must decide."""
        price = self.invoice.price.minor
        if arrived_at <= QUOTED_UNTIL:
            return floor(price * Fraction(amount) / Fraction(self.pay_amount))
        return None if self.kind == "child" else floor(Fraction(amount) * MARKET_USD * 100)


class DepositMachine(RuleBasedStateMachine):
    world: ClassVar[World]
    payments = Bundle("payments")

    def __init__(self) -> None:
        super().__init__()
        self.run = self.world
        self.one, self.other = self.world.replicas
        self.mint = self.one.mint
        self.mint.replies.clear()
        self.user = f"usr_{new_id().hex[:12]}"
        self.bought: dict[str, Bought] = {}  # by the provider's reference
        self.stated: dict[str, set[Decimal]] = {}  # every amount the provider ever named
        self.wrong: set[str] = set()  # another coin arrived

    # What customers do

    @rule(target=payments, cents=st.integers(100, 50_000), is_lost=st.booleans())
    def open(self, cents: int, *, is_lost: bool) -> Any:
        """An address; if the first answer is lost, the repeat gets another one."""
        key, orphan = str(new_id()), None
        asks: dict[str, Any] = {"user": self.user, "key": key}
        if is_lost:
            self.mint.answers.append(AnswerLost("reset"))
            with pytest.raises(ProviderFailed):
                self.run(self.one.asks_for(_usd(cents), **asks))
            orphan = self.mint.opens(self.mint.intents[-1]).reference
        invoice = self.run(self.other.invoice(_usd(cents), **asks))
        reference = invoice.provider_reference
        self.bought[reference] = Bought(invoice, "primary", invoice.pay_amount)
        if orphan is None:
            return reference
        self.bought[orphan] = Bought(invoice, "orphan", invoice.pay_amount)
        return multiple(reference, orphan)

    @rule(target=payments, cents=st.integers(100, 50_000), coins=st.sets(st.sampled_from("BE")))
    def open_page(self, cents: int, coins: set[str]) -> Any:
        """A page, on which the payer picks a coin, or two; each pick is a payment."""
        invoice = self.run(
            self.one.invoice(_usd(cents), user=self.user, coin=None, checkout=Checkout.HOSTED)
        )
        made = []
        for coin in sorted({"B": "BTC", "E": "ETH"}[letter] for letter in coins):
            pay_amount = Decimal(cents) / 100_000
            reference = self.book(
                invoice,
                hosted_reference=invoice.provider_reference,
                coin=coin,
                pay_amount=pay_amount,
                address=ADDRESSES[coin],
            )
            self.bought[reference] = Bought(invoice, "hosted", pay_amount)
            made.append(reference)
        return multiple(*made)

    # What arrives

    @rule(ref=payments, thousandths=st.integers(1, 2_500), is_late=st.booleans())
    def arrive(self, ref: str, thousandths: int, *, is_late: bool) -> None:
        """Dust, a part, all, more; in the quote's time or after it. Once a payment."""
        if ref not in self.stated:
            asked = self.bought[ref].pay_amount
            amount = (asked * thousandths / 1_000).quantize(Decimal("1e-8")) or Decimal("1e-8")
            self.state_amount(ref, amount, TOO_LATE if is_late else IN_TIME)

    @rule(
        ref=payments,
        thousandths=st.sampled_from([1_000, 1_000, 600, 1_400]),
        is_late=st.booleans(),
        is_read=st.booleans(),
        ends=st.sampled_from([*sorted(SETTLED), State.SENDING]),
    )
    def pay(self, ref: str, thousandths: int, *, is_late: bool, is_read: bool, ends: State) -> None:
        """What most payers do: all of it, or nearly, and the provider settles."""
        self.arrive(ref, thousandths, is_late=is_late)
        self.move(ref, State.CONFIRMING)
        self.move(ref, ends)
        if is_read:
            self.poll(both=False)

    @rule(ref=payments, is_read=st.booleans())
    def refund(self, ref: str, *, is_read: bool) -> None:
        """The provider gives back what it had settled, credited by then or not."""
        if self.mint.book[ref].state in SETTLED:
            if is_read:
                self.poll(both=True)
            self.move(ref, State.REFUNDED)

    @rule(ref=payments, chance=st.integers(1, 5))
    def arrive_in_another_coin(self, ref: str, chance: int) -> None:
        if chance == 1 and ref not in self.stated and self.bought[ref].kind != "hosted":
            self.wrong.add(ref)
            self.state_amount(ref, self.bought[ref].pay_amount, IN_TIME, coin="DOGE")
            self.move(ref, State.FINISHED)

    @rule(ref=payments)
    def state_another_amount(self, ref: str) -> None:
        """From now on the provider says that twice as much arrived."""
        for arrival in self.mint.book[ref].arrivals:
            arrived_at = arrival.arrived_at or IN_TIME
            self.state_amount(ref, arrival.amount * 2, arrived_at, coin=arrival.coin)

    @rule(target=payments, ref=payments, is_named=st.booleans())
    def arrive_again(self, ref: str, *, is_named: bool) -> Any:
        """A second deposit to the address of ``ref``, perhaps told by its parent only."""
        bought = self.bought[ref]
        if bought.kind not in {"primary", "hosted"}:
            return multiple()
        parent = self.mint.book[ref]
        child = self.book(
            bought.invoice,
            parent_reference=ref,
            coin=parent.coin,
            pay_amount=parent.pay_amount,
            address=parent.address,
        )
        self.bought[child] = replace(bought, kind="child")
        if is_named:
            self.mint.book[ref] = replace(parent, children=(*parent.children, child))
        return child

    # What the provider does

    @rule(ref=payments, state=st.sampled_from([*State]))
    def move(self, ref: str, state: State) -> None:
        """Any move that a provider can make; without money it settles nothing."""
        book = self.mint.book[ref]
        is_settled = state in SETTLED
        if state in TRANSITIONS[book.state or State.WAITING] and (book.arrivals or not is_settled):
            self.mint.becomes(ref, state)
            self.settle_arrivals(ref)

    @rule(ref=payments, copies=st.integers(1, 3), says=st.sampled_from([*State]))
    def notify(self, ref: str, copies: int, says: State) -> None:
        """Signed, true or not, several at once, and not followed by a look."""
        self.hear(ref, copies, says)

    @rule(ref=payments, lie=st.sampled_from(sorted(LIES)))
    def contradict(self, ref: str, lie: str) -> None:
        """A notification that names another address, price or order; people resume afterwards."""
        self.hear(ref, 1, State.FINISHED, **LIES[lie])
        self.run(self.resume())

    @rule(answers=st.lists(st.sampled_from(sorted(BAD_READS)), min_size=1, max_size=4))
    def fail_to_answer(self, answers: list[str]) -> None:
        self.mint.replies.extend(BAD_READS[answer] for answer in answers)

    # What the workers do

    @rule(both=st.booleans())
    def poll(self, *, both: bool) -> None:
        """Time comes; one replica reads, or two at the same moment."""

        async def read() -> None:
            await self.one.time_comes()
            await asyncio.gather(self.one.reads(), *([self.other.reads()] if both else []))

        self.run(read())

    @rule(ref=payments)
    def read_twice_at_once(self, ref: str) -> None:
        """Both replicas hold the same answer at the same moment."""

        async def read() -> None:
            story = await self.one.story(self.bought[ref].invoice)
            for payment in story.payments:
                if payment.reference == ref:
                    readers = [till.services.deposits.reader for till in self.world.replicas * 2]
                    await asyncio.gather(*(r.read(payment, actor="test") for r in readers))

        self.run(read())

    @rule()
    def die_between_claim_and_record(self) -> None:
        """What was claimed is with a process that is gone."""

        async def claim() -> None:
            lease = timedelta(minutes=2)
            await self.one.time_comes()
            await self.one.db.run(lambda tx: writing.claim(tx, "mint", 4, lease))

        self.run(claim())

    @rule()
    def reconcile(self) -> None:
        self.run(self.other.services.deposit_reconciliation.everything())

    # What must hold

    @invariant()
    def nothing_else_is_credited(self) -> None:
        receipts = self.receipts()
        for ref, receipt in receipts.items():
            SEEN[receipt["state"]] += 1
            if receipt["state"] not in COUNTED:
                continue
            SEEN[receipt["method"]] += 1
            value = self.bought[ref].value(receipt["amount"], receipt["arrived_at"])
            assert value == receipt["credited"], (ref, receipt)
            assert receipt["amount"] in self.stated[ref]
            assert ref not in self.wrong, "another coin was credited"
            assert self.may_be_credited(ref), "a payment nobody was shown was credited"
        credited = sum(r["credited"] for r in receipts.values() if r["state"] in COUNTED)
        assert credited == self.run(self.one.balance(user=self.user))

    @invariant()
    def books_are_right(self) -> None:
        self.run(self.one.assert_books())

    def teardown(self) -> None:
        """Left alone with an honest provider, all that settled is credited."""
        self.mint.replies.clear()
        for ref in self.bought:
            self.hear(ref, 1, self.mint.book[ref].state or State.WAITING)
        for _ in range(ROUNDS):
            self.poll(both=True)
        self.nothing_else_is_credited()
        self.books_are_right()
        receipts = self.receipts()
        for ref, bought in self.bought.items():
            book = self.mint.book[ref]
            if book.state not in SETTLED:
                continue
            for arrival in book.arrivals:
                value = bought.value(arrival.amount, arrival.arrived_at or IN_TIME)
                found = ReceiptState(receipts[ref]["state"])
                if value is None or ref in self.wrong or not self.may_be_credited(ref):
                    assert ReceiptState.REVIEW == found, (ref, receipts[ref])
                else:
                    expected = ReceiptState.CREDITED if value else ReceiptState.DISMISSED
                    assert expected == found or self.stated[ref] > {arrival.amount}, (ref, found)

    # Helpers

    def book(self, invoice: Invoice, **facts: Any) -> str:
        """A new payment in the mint's book, which belongs to ``invoice``."""
        reference = self.mint.new_reference()
        self.mint.has(
            Snapshot(
                reference=reference,
                state=State.WAITING,
                provider_status="waiting",
                order_id=invoice.shown_id,
                price=invoice.charged,
                quote_expires_at=QUOTED_UNTIL,
                **facts,
            )
        )
        return reference

    def state_amount(
        self, ref: str, amount: Decimal, arrived_at: datetime, coin: str | None = None
    ) -> None:
        coin = coin or self.mint.book[ref].coin or "BTC"
        self.mint.arrives(ref, amount, coin=coin, arrived_at=arrived_at)
        self.stated.setdefault(ref, set()).add(amount)
        self.settle_arrivals(ref)

    def settle_arrivals(self, ref: str) -> None:
        """Arrivals are settled when their payment is."""
        book = self.mint.book[ref]
        is_settled = book.state in SETTLED
        arrivals: tuple[Arrival, ...] = tuple(
            replace(arrival, is_settled=is_settled) for arrival in book.arrivals
        )
        self.mint.book[ref] = replace(book, arrivals=arrivals)

    def may_be_credited(self, ref: str) -> bool:
        """An orphan only if the invoice took it as its own, because it was heard of first."""
        if self.bought[ref].kind != "orphan":
            return True
        invoice = self.run(self.one.look(self.bought[ref].invoice.shown_id))
        return bool(invoice.provider_reference == ref)

    def hear(self, ref: str, copies: int, says: State, **lie: Any) -> None:
        book, bought = self.mint.book[ref], self.bought[ref]
        content = {
            "reference": ref,
            "status": says.value,
            "order": bought.invoice.shown_id,
            "parent": book.parent_reference,
            "page": book.hosted_reference,
            "nonce": str(new_id()),
        } | lie

        async def hear() -> None:
            headers, body = signed(content)
            inbox = self.one.services.inbox
            assert all(
                await asyncio.gather(*(inbox.receive("mint", headers, body) for _ in range(copies)))
            )
            await inbox.drained()

        self.run(hear())

    async def resume(self) -> None:
        async with self.one.db.transaction() as tx:
            await switches.resume(tx, "mint", reason="looked into", actor="person:test")
        for till in self.world.replicas:
            till.services.switchboard.forget()

    def receipts(self) -> dict[str, dict[str, Any]]:
        rows = self.run(
            self.one.fetch(
                "SELECT reference, state, amount, arrived_at, credited::bigint AS credited, method"
                " FROM deposit_receipts WHERE user_id = $1",
                self.user,
            )
        )
        return {row["reference"]: row for row in rows}


def _usd(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def explore(url: str) -> None:
    """Run the machine against the database at ``url``."""
    SEEN.clear()
    mint = Mint(usd_per_coin=Decimal(MARKET_USD), quote_expires_at=QUOTED_UNTIL)
    with asyncio.Runner() as runner:
        opened = [open_till(url, mint, {"crypto": {"breaker_failures": 10_000}}) for _ in range(2)]
        one, other = (runner.run(one.__aenter__()) for one in opened)
        DepositMachine.world = World(runner, (one, other))
        try:
            run_state_machine_as_test(
                DepositMachine,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    derandomize=True,
                    database=None,
                    phases=[Phase.generate],  # shrinking would take minutes, and says no more
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            for till in opened:
                runner.run(till.__aexit__(None, None, None))


def test_no_order_of_events_credits_anything_else(url: str) -> None:
    """
    Openings, arrivals, children, lies, failed reads, crashes and races of replicas, at random.
    """
    explore(url)

    # Credits taken back are rare here, and have tests of their own.
    assert set(SEEN) >= {"credited", "review", "seen", "quote", "market"}, SEEN


def _credits_the_price(patch: pytest.MonkeyPatch) -> None:
    """Dust at the parent's price is the main way to be robbed."""
    patch.setattr(crediting, "pro_rata", lambda price, _, __: price)


def _credits_whatever_comes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(crediting, "_doubt", lambda _, __, ___: None)


def _honours_an_expired_quote(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Quote, "covers", lambda _, __: True)


def _believes_the_provider_about_an_older_state(patch: pytest.MonkeyPatch) -> None:
    """A credit is then lost: what settled goes back to confirming, and stays."""
    patch.setattr(deciding, "advance", lambda _, seen: min(seen, State.CONFIRMING))


@pytest.mark.parametrize(
    "plant",
    [
        _credits_the_price,
        _credits_whatever_comes,
        _honours_an_expired_quote,
        _believes_the_provider_about_an_older_state,
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
