"""Everything that can happen to a deposit, in any order, against the real database.

The mint keeps the book of what arrived; the model knows what each arrival is worth. After each
step nothing is credited but that, once, and the books are sound; in the end all of it is.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    invariant,
    multiple,
    rule,
)

from payops.deposits.domain.invoices import Checkout, ReceiptState
from payops.deposits.domain.states import SETTLED, TRANSITIONS, State
from payops.deposits.errors import ProviderFailed
from payops.deposits.ports import AnswerLost, Arrival
from payops.deposits.service import reviewing
from payops.deposits.service.reviewing import Review, Verdict
from payops.deposits.store import writing
from payops.kernel.ids import new_id
from tests.properties.deposit_model import (
    BAD_READS,
    COUNTED,
    LIES,
    SEEN,
    Bought,
    quoted,
    usd,
)
from tests.properties.deposit_steps import Steps
from tests.support.mint import ADDRESSES

ROUNDS: Final = 4


class DepositMachine(Steps):
    payments = Bundle("payments")

    # What customers do

    @rule(target=payments, cents=st.integers(100, 50_000), is_lost=st.booleans())
    def open(self, cents: int, *, is_lost: bool) -> Any:
        """An address; if the first answer is lost, the repeat gets another one."""
        key, orphan = str(new_id()), None
        asks: dict[str, Any] = {"user": self.user, "key": key}
        if is_lost:
            self.mint.answers.append(AnswerLost("reset"))
            with pytest.raises(ProviderFailed):
                self.run(self.one.asks_for(usd(cents), **asks))
            orphan = self.mint.opens(self.mint.intents[-1]).reference
        invoice = self.run(self.other.invoice(usd(cents), **asks))
        reference = invoice.provider_reference
        self.bought[reference] = Bought(invoice, "primary", invoice.pay_amount)
        if orphan is None:
            return reference
        self.bought[orphan] = Bought(invoice, "orphan", invoice.pay_amount)
        return multiple(reference, orphan)

    @rule(
        target=payments,
        cents=st.integers(100, 50_000),
        coins=st.sets(st.sampled_from("BE")),
        says=st.sampled_from(["end", "made now", "made long ago", "nothing"]),
    )
    def open_page(self, cents: int, coins: set[str], says: str) -> Any:
        """A page, on which the payer picks a coin, or two; each pick is a payment."""
        quote, until = quoted(says)
        invoice = self.run(
            self.one.invoice(usd(cents), user=self.user, coin=None, checkout=Checkout.HOSTED)
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
                **quote,
            )
            self.bought[reference] = Bought(
                invoice, "hosted", pay_amount, until, is_timed=says == "end"
            )
            made.append(reference)
        return multiple(*made)

    # What arrives

    @rule(ref=payments, thousandths=st.integers(1, 2_500), is_late=st.booleans())
    def arrive(self, ref: str, thousandths: int, *, is_late: bool) -> None:
        """Dust, a part, all, more; in the quote's time or after it. Once a payment."""
        if ref not in self.stated:
            asked = self.bought[ref].pay_amount
            amount = (asked * thousandths / 1_000).quantize(Decimal("1e-8")) or Decimal("1e-8")
            self.state_amount(ref, amount, self.time_of(ref, is_late=is_late))

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

    @rule(
        target=payments,
        cents=st.integers(100, 50_000),
        thousandths=st.sampled_from([1_000, 600, 1_400]),
        ends=st.sampled_from([*sorted(SETTLED), State.SENDING]),
    )
    def pay_at_once(self, cents: int, thousandths: int, ends: State) -> Any:
        """Opened, paid and looked at: the everyday course, whatever else is drawn."""
        ref: Any = self.open(cents, is_lost=False)
        self.pay(ref, thousandths, is_late=False, is_read=True, ends=ends)
        return ref

    @rule(target=payments, cents=st.integers(100, 50_000), is_late=st.booleans())
    def pay_and_be_refunded(self, cents: int, *, is_late: bool) -> Any:
        """Credited, and then taken back: so many moves in this order are rare by chance."""
        ref: Any = self.open(cents, is_lost=False)
        self.pay(ref, 1_000, is_late=is_late, is_read=True, ends=State.FINISHED)
        self.refund(ref, is_read=False)
        self.notify(ref, 1, State.REFUNDED)
        self.poll(both=False)
        return ref

    @rule(ref=payments, chance=st.integers(1, 5))
    def arrive_in_another_coin(self, ref: str, chance: int) -> None:
        if chance == 1 and ref not in self.stated and self.bought[ref].kind != "hosted":
            self.wrong.add(ref)
            amount = self.bought[ref].pay_amount
            self.state_amount(ref, amount, self.time_of(ref, is_late=False), coin="DOGE")
            self.move(ref, State.FINISHED)

    @rule(ref=payments)
    def state_another_amount(self, ref: str) -> None:
        """From now on the provider says that twice as much arrived."""
        for arrival in self.mint.book[ref].arrivals:
            self.state_amount(ref, arrival.amount * 2, arrival.arrived_at, coin=arrival.coin)

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
            quote_expires_at=parent.quote_expires_at,
            opened_at=parent.opened_at,
        )
        self.bought[child] = replace(bought, kind="child")
        if is_named:
            self.mint.book[ref] = replace(parent, children=(*parent.children, child))
        return child

    # What the provider does

    @rule(ref=payments, state=st.sampled_from([*State]))
    def move(self, ref: str, state: State) -> None:
        """Any move that a provider can make; it may settle, and not say with how much."""
        if state in TRANSITIONS[self.mint.book[ref].state or State.WAITING]:
            self.mint.becomes(ref, state)
            self.settle_arrivals(ref)

    @rule(ref=payments, ends=st.sampled_from(sorted(SETTLED)), is_read=st.booleans())
    def settle_without_an_amount(self, ref: str, ends: State, *, is_read: bool) -> None:
        """Settled, and nothing is said of money, yet or for ever."""
        if ref not in self.stated:
            self.move(ref, ends)
            if is_read:
                self.poll(both=False)

    @rule(ref=payments, copies=st.integers(1, 3), says=st.sampled_from([*State]))
    def notify(self, ref: str, copies: int, says: State) -> None:
        """Signed, true or not, several at once, and not followed by a look."""
        self.hear(ref, copies, says)

    @rule(ref=payments, lie=st.sampled_from(sorted(LIES)))
    def contradict(self, ref: str, lie: str) -> None:
        """A notification that names another address, price or order; people resume afterwards,
        and have yet to decide about the deposit.
        """
        self.hear(ref, 1, State.FINISHED, **LIES[lie])
        self.run(self.resume())

    @rule(ref=payments)
    def dismiss(self, ref: str) -> None:
        """People say that nothing is to be credited for a payment in review."""
        found = [row for row in self.doubted() if row["reference"] == ref]
        receipt = self.receipts().get(ref)
        if not found or (receipt is not None and receipt["state"] == "reversed"):
            return
        if receipt is None or receipt["state"] not in COUNTED:
            self.dismissed.add(ref)

        async def decide() -> None:
            invoice_id = self.bought[ref].invoice.id
            async with self.one.db.transaction() as tx:
                wanted = Review(ref, "", Verdict.DISMISS)
                _, review = await reviewing.reviewed(tx, invoice_id, wanted)
                await reviewing.decide(tx, invoice_id, review, actor="person:test")

        self.run(decide())

    @rule(
        target=payments,
        cents=st.integers(100, 50_000),
        lie=st.sampled_from(sorted(LIES)),
        is_dismissed=st.booleans(),
    )
    def pay_after_a_contradiction(self, cents: int, lie: str, *, is_dismissed: bool) -> Any:
        """The money comes when all agree again, before or after people have decided."""
        ref: Any = self.open(cents, is_lost=False)
        self.contradict(ref, lie)
        self.nothing_is_credited_while_a_contradiction_is_undecided()
        if is_dismissed:
            self.dismiss(ref)
        self.pay(ref, 1_000, is_late=False, is_read=False, ends=State.FINISHED)
        self.notify(ref, 1, State.FINISHED)
        self.poll(both=False)
        return ref

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
            assert ref not in self.dismissed, "what people dismissed was credited"
            assert self.may_be_credited(ref), "a payment nobody was shown was credited"
        credited = sum(r["credited"] for r in receipts.values() if r["state"] in COUNTED)
        assert credited == self.run(self.one.balance(user=self.user))

    @invariant()
    def nothing_is_credited_while_a_contradiction_is_undecided(self) -> None:
        contradicted = {
            row["invoice_id"] for row in self.doubted() if row["reason"].startswith("mismatch")
        }
        credited: dict[Any, set[str]] = {one: set() for one in contradicted}
        for ref, receipt in self.receipts().items():
            if receipt["state"] in COUNTED and receipt["invoice_id"] in contradicted:
                credited[receipt["invoice_id"]].add(ref)
        self.touched |= contradicted
        self.frozen = {one: self.frozen.get(one, credited[one]) for one in contradicted}
        assert credited == self.frozen

    @invariant()
    def books_are_right(self) -> None:
        self.run(self.one.assert_books())

    def teardown(self) -> None:
        """Left alone with an honest provider, all that settled is credited or a person's."""
        self.mint.replies.clear()
        for ref in self.bought:
            self.hear(ref, 1, self.mint.book[ref].state or State.WAITING)
        for _ in range(ROUNDS):
            self.poll(both=True)
        self.nothing_else_is_credited()
        self.nothing_is_credited_while_a_contradiction_is_undecided()
        self.books_are_right()
        receipts = self.receipts()
        in_review = {row["reference"] for row in self.doubted()}
        for ref in self.bought:
            book = self.mint.book[ref]
            if book.state not in SETTLED:
                continue
            if not book.arrivals:
                assert ref in in_review or ref in self.dismissed, "settled without money, at rest"
            for arrival in book.arrivals:
                self.has_come_to_rest(ref, arrival, receipts[ref])

    def has_come_to_rest(self, ref: str, arrival: Arrival, receipt: dict[str, Any]) -> None:
        bought, found = self.bought[ref], ReceiptState(receipt["state"])
        value = bought.value(arrival.amount, arrival.arrived_at or receipt["arrived_at"])
        assert found is not ReceiptState.SEEN, "settled, and nobody looks"
        if ref in self.dismissed or receipt["invoice_id"] in self.touched:
            return  # in review, or credited before or after: the invariants say what may not be
        if value is None or ref in self.wrong or not self.may_be_credited(ref):
            assert ReceiptState.REVIEW == found, (ref, receipt)
        else:
            expected = ReceiptState.CREDITED if value else ReceiptState.DISMISSED
            assert expected == found or self.stated[ref] > {arrival.amount}, (ref, found)
