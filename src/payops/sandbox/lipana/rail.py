"""The rail at work: it books, it settles when the time has come, and it tells the merchant."""

import asyncio
from random import Random
from typing import assert_never

from payops.sandbox.delivery import Postman
from payops.sandbox.errands import Errands
from payops.sandbox.faults import Faults
from payops.sandbox.lipana import callbacks
from payops.sandbox.lipana.book import Book, Names, Order, Payout
from payops.sandbox.lipana.outcomes import Callback, Outcome, Reply
from payops.sandbox.lipana.scripts import script_for
from payops.sandbox.settings import Settings

_OK = 200


class Rail:
    """One Lipana account. Lives in one event loop; ``aclose`` ends what is under way."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.faults = Faults()
        self.book: Book
        self._names = Names(settings.seed)
        self._postman = Postman(
            at_once=settings.callbacks_at_once, timeout_ms=settings.callback_timeout_ms
        )
        self._errands = Errands()
        self._open(settings.float_kes)

    @property
    def under_way(self) -> int:
        """How many payouts and repeats of callbacks are still waiting for their moment."""
        return len(self._errands) + len(self._unanswered)

    async def reset(self, float_kes: int | None = None) -> None:
        """Forget everything. Callbacks under way are cancelled."""
        await self._errands.cancel()
        self.faults.clear()
        self._open(self.settings.float_kes if float_kes is None else float_kes)

    async def aclose(self) -> None:
        """Cancel what is under way and close the connections."""
        await self._errands.cancel()
        await self._postman.aclose()

    def take(self, order: Order) -> tuple[Reply, Payout | None, bool]:
        """Count one POST; book it if its script says so.

        Returns the scripted reply, the payout if there is one, and whether it is new.

        Raises:
            OtherOrder: the transaction id stands for another order.
            FloatTooLow: the account cannot cover it.
        """
        if order.transaction_id is not None:
            self.book.requests_by_transaction[order.transaction_id] += 1
        payout = self.book.known(order)
        script = script_for(order.phone)
        reply = script.reply(self._attempt(order))
        if payout is not None or not reply.booked:
            return reply, payout, False
        payout = self.book.accept(order, script)
        self._unanswered.add(payout)
        # Without an id the next order to the same phone is another payout: its script starts anew.
        self._attempts.pop((order.phone, order.amount_kes), None)
        return reply, payout, True

    def play_later(self, payout: Payout) -> None:
        """Settle ``payout`` and send its callbacks when its time has come.

        Does nothing for a payout from before a reset.
        """
        if payout in self._unanswered:
            self._unanswered.remove(payout)
            self._errands.start(self._play_later(payout))

    async def play(self, payout: Payout) -> None:
        """Settle ``payout`` now and send its callbacks, one after the other."""
        self._unanswered.discard(payout)
        if payout.is_final:
            return  # ended by hand in the meantime, and told about
        self.settle(payout)
        for position, callback in enumerate(payout.script.callbacks):
            if position:
                await self.settings.pause(self.settings.delays.between_callbacks_ms)
            await self.tell(payout, callback)

    def settle(self, payout: Payout) -> None:
        """Bring the payout to the end that its script foresees."""
        match payout.script.outcome:
            case Outcome.PAID:
                self.book.pay(payout)
            case Outcome.FAILED:
                self.book.fail(payout, payout.script.failure)
            case Outcome.NEVER:
                self.book.start(payout)
            case _:
                assert_never(payout.script.outcome)

    async def tell(self, payout: Payout, callback: Callback) -> list[int | None]:
        """Send ``callback`` and return how its copies were answered.

        What is not answered with 200 is sent again later, without being waited for.
        """
        body = callbacks.body_of(payout, callback)
        answers = await asyncio.gather(
            *(self._post(payout, callback, body, attempt=0) for _ in range(callback.copies))
        )
        for answered in answers:
            if answered != _OK and callback.repeated:
                self._errands.start(self._repeat(payout, callback, body))
        return answers

    async def _repeat(self, payout: Payout, callback: Callback, body: bytes) -> None:
        delay_ms = self.settings.delays.retry_ms
        for attempt in range(1, self.settings.callback_retries + 1):
            await self.settings.pause(delay_ms)
            if await self._post(payout, callback, body, attempt=attempt) == _OK:
                return
            delay_ms *= 2

    async def _post(
        self, payout: Payout, callback: Callback, body: bytes, *, attempt: int
    ) -> int | None:
        secret = self.settings.webhook_secret
        headers = callbacks.headers_of(body, callback.signature, secret, attempt=attempt)
        url = payout.order.callback_url or self.settings.callback_url
        answered = await self._postman.post(url, headers, body)
        payout.callback_answers.append(answered)
        self.book.callbacks_answered[answered] += 1
        return answered

    async def _play_later(self, payout: Payout) -> None:
        self.book.start(payout)
        delays = self.settings.delays
        await self.settings.pause(delays.callback_ms + self._chance.randint(0, delays.jitter_ms))
        await self.play(payout)

    def _attempt(self, order: Order) -> int:
        """How many POSTs of the same order there were before, as far as the rail can tell."""
        if order.transaction_id is not None:
            return self.book.requests_by_transaction[order.transaction_id] - 1
        key = (order.phone, order.amount_kes)
        self._attempts[key] = attempt = self._attempts.get(key, -1) + 1
        return attempt

    def _open(self, float_kes: int) -> None:
        self.book = Book(float_kes, self._names)
        self._chance = Random(self.settings.seed)
        self._attempts: dict[tuple[str, int], int] = {}
        self._unanswered: set[Payout] = set()  #: booked, but the reply is still to be sent
