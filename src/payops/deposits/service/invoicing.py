"""From a request to an address or a page: plan, accept, ask the provider, answer.

No provider knows an idempotent create. So each attempt is on record before the provider is
asked, under an order id of its own; an answer that was lost leaves the invoice ``unknown``
and a repeat of the request makes another attempt. What the lost one may have opened is
recognised by its order id if it is ever heard of.
"""

import asyncio
import re
from dataclasses import replace
from uuid import UUID

from payops.deposits.domain.invoices import Invoice, order_id, read
from payops.deposits.domain.states import UNBORN
from payops.deposits.errors import AmountAboveMaximum, DepositsHalted, ProviderUnavailable
from payops.deposits.ports import (
    AnswerLost,
    CredentialRefused,
    Intent,
    NotDelivered,
    OpenAnswer,
)
from payops.deposits.routing import Registry, Wanted
from payops.deposits.service.opening import Opening
from payops.deposits.service.rates import Rates
from payops.deposits.service.requesting import Plan, Request
from payops.idempotency.domain import Answer, Keyed
from payops.idempotency.service import Desk
from payops.infra.db import Database
from payops.infra.metrics import Metrics
from payops.kernel.errors import PayopsError
from payops.kernel.money import Money
from payops.switches.domain import DEPOSITS
from payops.switches.service import Switchboard


class Invoicing:
    """Takes keyed requests to answers. One per process."""

    def __init__(
        self,
        *,
        db: Database,
        desk: Desk[Request],
        registry: Registry,
        rates: Rates,
        opening: Opening,
        switchboard: Switchboard,
        charge_max: Money,
        metrics: Metrics,
    ) -> None:
        self._db = db
        self._desk = desk
        self._registry = registry
        self._rates = rates
        self._opening = opening
        self._switchboard = switchboard
        self._charge_max = charge_max
        self._metrics = metrics
        self._running: set[asyncio.Task[Answer]] = set()

    async def request(self, keyed: Keyed[Request]) -> Answer:
        """The answer to ``keyed``, new or as given before; where to pay is left out of what was
        given before while the provider contradicts it.

        Raises:
            KeyReused: the key stands for another request.
            InProgress: the provider is being asked for this very request.
            DepositsHalted, RateUnavailable, ProviderUnavailable, ProviderFailed: nothing
                was decided for good; the same key may be sent again.
        """
        known = await self._desk.find(keyed)
        if known is None:
            command = replace(keyed.command, plan=await self._plan(keyed.command))
            known = await self._desk.submit(replace(keyed, command=command))
        if known.resource is None:
            return known
        if known.body is not None:
            return await self._opening.standing(keyed, known, read(known.resource))
        # The answer must be recorded even when the caller has gone.
        task = asyncio.create_task(self._answered(keyed, known, read(known.resource)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def drained(self) -> None:
        """Return when no provider is being asked."""
        await self._desk.drained()
        if self._running:
            await asyncio.wait(self._running)

    async def _plan(self, wanted: Request) -> Plan | PayopsError:
        """Who could make it, at which price. A business refusal is decided, and kept, later."""
        async with self._db.transaction(read_only=True) as tx:
            charge = await self._rates.charge(tx, wanted.price)
            if await self._switchboard.halted(tx, [DEPOSITS]):
                raise DepositsHalted
            names = self._registry.names
            halted = {name for name in names if await self._switchboard.halted(tx, [name])}
        if charge.money.minor > self._charge_max.minor:
            return AmountAboveMaximum(f"An invoice is at most USD {self._charge_max.text}.")
        choice = Wanted(wanted.coin, wanted.checkout, wanted.provider)
        try:
            return Plan(await self._registry.choose(choice, charge.money, halted), charge)
        except (DepositsHalted, ProviderUnavailable):
            raise
        except PayopsError as refusal:
            return refusal

    async def _answered(self, keyed: Keyed[Request], given: Answer, invoice_id: UUID) -> Answer:
        invoice = await self._opening.begin(invoice_id)
        if invoice.state not in UNBORN:
            return await self._opening.finished(keyed, given, invoice)
        answer = await self._asked(invoice)
        self._metrics.count_provider_answer(invoice.provider, "open", word(answer))
        return await self._opening.record(keyed, given, invoice, answer)

    async def _asked(self, invoice: Invoice) -> OpenAnswer:
        """One call, gated by the provider's breaker; an answer of any kind is counted for it."""
        registered = self._registry.get(invoice.provider)
        coin = None
        if invoice.coin is not None:
            coin = registered.provider.known_coin(invoice.coin)
            if coin is None:
                return NotDelivered("its coins are not known at the moment")
        if not registered.breaker.admit():
            return NotDelivered("breaker open")
        intent = Intent(
            order_id(invoice.id, invoice.attempts), invoice.charged, coin, invoice.checkout
        )
        answer = await registered.provider.open(intent)
        if isinstance(answer, CredentialRefused):
            registered.breaker.trip()
        elif isinstance(answer, NotDelivered | AnswerLost):
            registered.breaker.failed()
        else:
            registered.breaker.succeeded()
        return answer


def word(answer: object) -> str:
    """``AnswerLost`` as ``answer_lost``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(answer).__name__).lower()
