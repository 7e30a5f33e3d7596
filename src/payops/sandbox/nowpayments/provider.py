"""The provider at work: it opens payments, lets them take their course, and tells the merchant."""

import asyncio
from decimal import Decimal
from typing import assert_never

from payops.sandbox.choosing import Choosing
from payops.sandbox.delivery import Postman
from payops.sandbox.errands import Errands
from payops.sandbox.faults import Faults
from payops.sandbox.nowpayments import notifications
from payops.sandbox.nowpayments.book import Book, Ids, Invoice, Order, Payment, amount_in
from payops.sandbox.nowpayments.coins import COINS, Coin
from payops.sandbox.nowpayments.outcomes import (
    Misstate,
    Misstatement,
    Pay,
    Reach,
    Repeat,
    Script,
    Status,
    Step,
    Tell,
)
from payops.sandbox.nowpayments.scripts import SCRIPTS
from payops.sandbox.settings import Settings

#: What a payment goes through between the first coin and its end.
PROGRESS = (Status.CONFIRMING, Status.CONFIRMED, Status.SENDING)


class Provider:
    """One NOWPayments account. Lives in one event loop; ``aclose`` ends what is under way."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.faults = Faults()
        self.choosing = Choosing(SCRIPTS, by_price=settings.scripts_by_price)
        self.book: Book
        self._ids = Ids()
        self._errands = Errands()
        self._postman = Postman(
            at_once=settings.callbacks_at_once, timeout_ms=settings.nowpayments.timeout_ms
        )
        self._open()

    @property
    def under_way(self) -> int:
        """How many payments and repeats of notifications still wait for their moment."""
        return len(self._errands) + len(self._unanswered)

    async def reset(self) -> None:
        """Forget everything. What is under way is cancelled."""
        await self._errands.cancel()
        self.faults.clear()
        self.choosing.clear()
        self._open()

    async def aclose(self) -> None:
        """Cancel what is under way and close the connections."""
        await self._errands.cancel()
        await self._postman.aclose()

    def open_payment(self, order: Order, coin: Coin, script: Script) -> Payment:
        """A payment whose reply is still to be sent."""
        payment = self.book.open_payment(order, coin, script)
        self._unanswered.add(payment)
        return payment

    def choose_coin(self, invoice: Invoice, coin: Coin) -> Payment:
        """The payment that a payer gets who picks ``coin`` on the page; it waits to be played."""
        return self.book.open_payment(invoice.order, coin, invoice.script, invoice=invoice)

    def play_later(self, payment: Payment) -> None:
        """Let ``payment`` take its course. Does nothing for a payment from before a reset."""
        if payment in self._unanswered:
            self._unanswered.remove(payment)
            self._errands.start(self._play(payment))

    def play(self, payment: Payment) -> None:
        """Let a payment that was made on a page take its course."""
        self._errands.start(self._play(payment))

    async def play_now(self, payment: Payment) -> None:
        """As ``play_later``, and wait for the end of it."""
        self._unanswered.discard(payment)
        await self._play(payment)

    async def tell(self, payment: Payment, tell: Tell) -> list[int | None]:
        """Send a notification and return how its copies were answered.

        What is not answered with 2xx is sent again later, without being waited for. Without an
        address to send it to, or a secret to sign it with, nothing is sent.
        """
        secret = self.settings.nowpayments.ipn_secret
        url = payment.order.ipn_callback_url
        if url is None or not secret:
            return []
        content = notifications.content_of(payment, tell)
        body = notifications.body_of(content, tell.spelling)
        headers = notifications.headers_of(content, tell.signature, secret)
        copies = (self._post(payment, url, headers, body) for _ in range(tell.copies))
        answers = await asyncio.gather(*copies)
        for answered in answers:
            if tell.is_repeated and not _is_accepted(answered):
                self._errands.start(self._repeat(payment, url, headers, body))
        return answers

    def deposit_later(self, payment: Payment, amount: Decimal) -> None:
        """Somebody who does not wait for it pays ``amount`` of the coin asked for."""
        payment.is_begun = True
        self._errands.start(self.deposit(payment, amount, None))

    async def deposit(self, payment: Payment, amount: Decimal, coin: Coin | None) -> None:
        """Coins arrive by hand; the payment goes on to the end that they are enough for.

        Raises:
            OtherCoin: coins of another kind arrived before; nothing happens.
        """
        self.book.receive(payment, amount, coin)
        if coin not in {None, payment.coin}:
            self.book.misstate(payment, Misstatement.COIN)
        payment.is_begun = True
        is_enough = payment.received >= payment.pay_amount
        for status in (*PROGRESS, Status.FINISHED if is_enough else Status.PARTIALLY_PAID):
            self.book.move(payment, status)
            await self.tell(payment, Tell())

    async def repeat(self, parent: Payment, step: Repeat) -> Payment:
        """A second deposit arrives at the address of ``parent``: a payment of its own."""
        child = self.book.open_payment(parent.order, parent.coin, parent.script, parent=parent)
        child.is_known = step.is_known
        self.book.receive(child, _share(parent.pay_amount, step.share, parent.coin))
        self.book.move(child, Status.CONFIRMING)
        await self.tell(child, Tell())
        await self._pause()
        self.book.move(child, step.ends)
        await self.tell(child, Tell())
        return child

    async def _play(self, payment: Payment) -> None:
        payment.is_begun = True
        for step in payment.script.steps:
            await self._take(payment, step)

    async def _take(self, payment: Payment, step: Step) -> None:
        match step:
            case Pay():
                coin = _other_than(payment.coin) if step.in_another_coin else payment.coin
                asked = amount_in(coin, payment.order.price_usd)
                whole = asked if step.in_another_coin else payment.pay_amount
                self.book.receive(payment, _share(whole, step.share, coin), coin)
            case Reach():
                await self._pause()
                self.book.move(payment, step.status)
                if step.is_told:
                    await self.tell(payment, Tell())
            case Tell():
                await self.tell(payment, step)
            case Repeat():
                await self._pause()
                await self.repeat(payment, step)
            case Misstate():
                self.book.misstate(payment, step.what)
            case _:
                assert_never(step)

    async def _repeat(
        self, payment: Payment, url: str, headers: dict[str, str], body: bytes
    ) -> None:
        for _ in range(self.settings.nowpayments.retries):
            await self.settings.pause(self.settings.delays.retry_ms)
            if _is_accepted(await self._post(payment, url, headers, body)):
                return

    async def _post(
        self, payment: Payment, url: str, headers: dict[str, str], body: bytes
    ) -> int | None:
        answered = await self._postman.post(url, headers, body)
        payment.answers.append(answered)
        self.book.notices_answered[answered] += 1
        return answered

    async def _pause(self) -> None:
        await self.settings.pause(self.settings.delays.step_ms)

    def _open(self) -> None:
        self.book = Book(outcome_coin=self.settings.nowpayments.outcome_coin, ids=self._ids)
        self._unanswered: set[Payment] = set()  #: opened, but the reply is still to be sent


def _is_accepted(status: int | None) -> bool:
    return status is not None and 200 <= status < 300


def _share(amount: Decimal, share: Decimal, coin: Coin) -> Decimal:
    """A share of ``amount`` that can be sent: at least the smallest unit."""
    unit = Decimal(1).scaleb(-coin.amount_decimals)
    return max((amount * share).quantize(unit), unit)


def _other_than(coin: Coin) -> Coin:
    """What somebody may send by mistake: another coin of the same network where there is one."""
    others = [other for other in COINS.values() if other is not coin]
    return next((other for other in others if other.network == coin.network), others[0])
