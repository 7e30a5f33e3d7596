"""The server at work: it makes invoices, lets them take their course, and tells the merchant."""

import asyncio
from decimal import Decimal
from typing import Any, assert_never

from payops.sandbox.btcpay import events
from payops.sandbox.btcpay.book import Book, Invoice, Order, Payment, share_of
from payops.sandbox.btcpay.outcomes import Event, Pay, Script, Status, Step, Tell, Turn
from payops.sandbox.btcpay.scripts import SCRIPTS
from payops.sandbox.choosing import Choosing
from payops.sandbox.delivery import Postman
from payops.sandbox.errands import Errands
from payops.sandbox.faults import Faults
from payops.sandbox.replying import Signature
from payops.sandbox.settings import Settings


class Server:
    """One store. Lives in one event loop; ``aclose`` ends what is under way."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.faults = Faults()
        self.choosing = Choosing(SCRIPTS, by_price=settings.scripts_by_price)
        self.book = Book()
        self._errands = Errands()
        self._unanswered: set[Invoice] = set()  #: made, but the reply is still to be sent
        self._postman = Postman(
            at_once=settings.callbacks_at_once, timeout_ms=settings.btcpay.timeout_ms
        )

    @property
    def under_way(self) -> int:
        """How many invoices and redeliveries still wait for their moment."""
        return len(self._errands) + len(self._unanswered)

    async def reset(self) -> None:
        """Forget everything. What is under way is cancelled."""
        await self._errands.cancel()
        self.faults.clear()
        self.choosing.clear()
        self.book = Book()
        self._unanswered = set()

    async def aclose(self) -> None:
        """Cancel what is under way and close the connections."""
        await self._errands.cancel()
        await self._postman.aclose()

    def open(self, order: Order, script: Script) -> Invoice:
        """An invoice whose reply is still to be sent."""
        invoice = self.book.open(order, script)
        self._unanswered.add(invoice)
        return invoice

    def play_later(self, invoice: Invoice) -> None:
        """Let ``invoice`` take its course. Does nothing for one from before a reset."""
        if invoice in self._unanswered:
            self._unanswered.remove(invoice)
            self._errands.start(self._play(invoice))

    async def play_now(self, invoice: Invoice) -> None:
        """As ``play_later``, and wait for the end of it."""
        self._unanswered.discard(invoice)
        await self._play(invoice)

    def pay_later(self, invoice: Invoice, share: Decimal) -> None:
        """Somebody who does not wait for it pays a share of the price, which is confirmed."""
        self._errands.start(self._pay_by_hand(invoice, share))

    async def pay(self, invoice: Invoice, coin: str, value: Decimal) -> None:
        """Coins are seen on the network, and the merchant is told."""
        before = invoice.status
        payment = self.book.receive(invoice, coin, value)
        await self.tell(invoice, Event.RECEIVED_PAYMENT, payment=payment)
        if before is Status.NEW and invoice.status is Status.PROCESSING:
            await self.tell(invoice, Event.PROCESSING)

    async def turn(self, invoice: Invoice, turn: Turn) -> None:
        """The invoice takes a turn, and the merchant is told."""
        match turn:
            case Turn.CONFIRM:
                await self._confirm(invoice)
            case Turn.EXPIRE:
                self.book.expire(invoice)
                await self.tell(invoice, Event.EXPIRED)
            case Turn.INVALIDATE:
                self.book.invalidate(invoice)
                await self.tell(invoice, Event.INVALID)
            case Turn.REPLACE:
                payment = self.book.replace(invoice)
                await self.tell(invoice, Event.RECEIVED_PAYMENT, payment=payment)
            case Turn.MARK_SETTLED:
                self.book.mark(invoice, Status.SETTLED)
                await self.tell(invoice, Event.SETTLED)
            case _:
                assert_never(turn)

    async def tell(
        self,
        invoice: Invoice,
        event: Event,
        *,
        payment: Payment | None = None,
        signature: Signature = Signature.GENUINE,
        is_repeated: bool = True,
        copies: int | None = None,
    ) -> list[int | None]:
        """Deliver ``event``, as often as the script has it, and return the answers.

        What is not answered with 2xx is delivered again later, without being waited for.
        """
        store_id = self.settings.btcpay.store_id
        content = events.content_of(event, invoice, store_id=store_id, payment=payment)
        number = invoice.script.copies if copies is None else copies
        answers = await asyncio.gather(
            *(self._deliver(invoice, content, signature) for _ in range(number))
        )
        for answered in answers:
            if is_repeated and not _is_accepted(answered):
                self._errands.start(self._redeliver(invoice, content, signature))
        return answers

    async def _play(self, invoice: Invoice) -> None:
        await self.tell(invoice, Event.CREATED)
        for step in invoice.script.steps:
            await self._take(invoice, step)

    async def _take(self, invoice: Invoice, step: Step) -> None:
        match step:
            case Pay():
                await self._pause()
                await self._pay_share(invoice, step.share)
            case Turn():
                await self._pause()
                await self.turn(invoice, step)
            case Tell():
                await self.tell(
                    invoice, step.event, signature=step.signature, is_repeated=step.is_repeated
                )
            case _:
                assert_never(step)

    async def _pay_share(self, invoice: Invoice, share: Decimal) -> None:
        method = next(iter(invoice.methods.values()))
        await self.pay(invoice, method.coin, share_of(method, share, invoice.order.price_usd))

    async def _pay_by_hand(self, invoice: Invoice, share: Decimal) -> None:
        await self._pay_share(invoice, share)
        await self._pause()
        await self.turn(invoice, Turn.CONFIRM)

    async def _confirm(self, invoice: Invoice) -> None:
        before = invoice.status
        for payment in self.book.confirm(invoice):
            await self.tell(invoice, Event.PAYMENT_SETTLED, payment=payment)
        if before is not invoice.status:
            await self.tell(invoice, Event.SETTLED)

    async def _redeliver(
        self, invoice: Invoice, content: dict[str, Any], signature: Signature
    ) -> None:
        for _ in range(self.settings.btcpay.retries):
            await self.settings.pause(self.settings.delays.retry_ms)
            again = events.delivered_again(content)
            if _is_accepted(await self._deliver(invoice, again, signature)):
                return

    async def _deliver(
        self, invoice: Invoice, content: dict[str, Any], signature: Signature
    ) -> int | None:
        store = self.settings.btcpay
        body = events.body_of(content)
        headers = events.headers_of(body, signature, store.webhook_secret)
        answered = await self._postman.post(store.webhook_url, headers, body)
        invoice.answers.append(answered)
        self.book.events_answered[answered] += 1
        return answered

    async def _pause(self) -> None:
        await self.settings.pause(self.settings.delays.step_ms)


def _is_accepted(status: int | None) -> bool:
    return status is not None and 200 <= status < 300
