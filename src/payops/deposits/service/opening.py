"""Recording the attempts to open an invoice at its provider, and what came of them.

An address is shown only after its checksum fits the coin's network and everything the
provider repeated agrees with what was asked. The answer to the caller is stored under its
key in the commit that makes it true.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Final, assert_never
from uuid import UUID

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.deposits.addresses import networks
from payops.deposits.domain.invoices import Checkout, Invoice, Kind, Payment
from payops.deposits.domain.states import UNBORN, State
from payops.deposits.errors import (
    AmountBelowMinimum,
    InvoiceNotFound,
    ProviderFailed,
    ProviderUnavailable,
    UnsupportedCurrency,
)
from payops.deposits.ports import (
    AnswerLost,
    Coin,
    CredentialRefused,
    NotDelivered,
    OpenAnswer,
    Opened,
    Reason,
    Refused,
    Snapshot,
    left_out,
)
from payops.deposits.service import keeping, recording
from payops.deposits.service.case import Case, Policy
from payops.deposits.service.matching import is_suspect, opening_differences
from payops.deposits.service.requesting import Render, Request
from payops.deposits.store import writing
from payops.idempotency import service as idempotency
from payops.idempotency.domain import Answer, Keyed
from payops.idempotency.errors import InProgress
from payops.infra.db import Database, Tx
from payops.kernel.errors import PayopsError
from payops.kernel.ids import new_id
from payops.pii.domain import scrub

ATTEMPTS_MAX: Final = 5
ACTOR: Final = "system:invoicing"
_WORDS_MAX: Final = 200

CoinOf = Callable[[str, str], Coin | None]  # of a provider, by code


class Opening:
    """The transactions before and after a provider is asked."""

    def __init__(
        self, *, db: Database, policy: Policy, lease: timedelta, render: Render, coin_of: CoinOf
    ) -> None:
        self._db = db
        self._policy = policy
        self._lease = lease
        self._render = render
        self._coin_of = coin_of

    async def begin(self, invoice_id: UUID) -> Invoice:
        """An attempt is on record and committed, or the invoice needs none any more.

        Raises:
            InProgress: another attempt is under way.
            ProviderFailed: there were attempts enough.
        """

        async def work(tx: Tx) -> Invoice:
            invoice = await writing.lock(tx, invoice_id)
            if invoice is None:
                raise InvoiceNotFound
            if invoice.state not in UNBORN:
                return invoice
            if await writing.attempt_is_open(tx, invoice):
                raise InProgress(retry_after_seconds=2)
            if invoice.attempts >= ATTEMPTS_MAX:
                raise ProviderFailed("The provider could not be got to make this invoice.")
            begun = replace(invoice, attempts=invoice.attempts + 1)
            await writing.update_invoice(tx, begun)
            await writing.open_attempt(tx, begun, self._lease)
            return begun

        return await self._db.run(work)

    async def finished(self, keyed: Keyed[Request], given: Answer, invoice: Invoice) -> Answer:
        """The answer for an invoice that has its address by now, or never will.

        Raises:
            ProviderFailed: it never will, or people have yet to decide whether it is right.
        """
        if not (invoice.address or invoice.checkout_url) or is_suspect(invoice):
            raise ProviderFailed

        async def work(tx: Tx) -> Answer:
            return await self._complete(tx, keyed, given, invoice)

        return replace(await self._db.run(work), is_replay=True)

    async def standing(self, keyed: Keyed[Request], given: Answer, invoice_id: UUID) -> Answer:
        """``given`` before, without where to pay while that may be another's."""
        async with self._db.transaction(read_only=True) as tx:
            invoice = await keeping.get(tx, invoice_id, user_id=None)
        if not is_suspect(invoice):
            return given
        return replace(given, body=self._render(invoice, keyed.command).body)

    async def record(
        self, keyed: Keyed[Request], given: Answer, invoice: Invoice, answer: OpenAnswer
    ) -> Answer:
        """What the provider's ``answer`` to attempt number ``invoice.attempts`` comes to.

        Raises:
            ProviderUnavailable: nothing was opened; the same key may try again.
            ProviderFailed: the answer was lost or could not be used.
        """

        async def work(tx: Tx) -> Answer | PayopsError:
            locked = (await recording.load(tx, [invoice.id]))[invoice.id]
            is_ours = await writing.close_attempt(
                tx, invoice, invoice.attempts, _OUTCOME[type(answer)], _detail(answer)
            )
            match answer:
                case Opened():
                    result = await self._opened(tx, keyed, given, locked, answer, is_ours=is_ours)
                case Refused():
                    result = await self._refused(tx, keyed, locked, answer)
                case NotDelivered() | CredentialRefused() | AnswerLost():
                    return await self._unopened(tx, locked, answer)
                case _:
                    assert_never(answer)
            # Whatever it answered, it has let us in.
            await alerts.resolve_alert(tx, _credentials_key(invoice.provider))
            return result

        result = await self._db.run(work)
        if isinstance(result, PayopsError):
            raise result
        return result

    async def is_under_way(self, tx: Tx, case: Case) -> bool:
        """Whether the provider has yet to answer an attempt of this invoice."""
        return await writing.attempt_is_open(tx, case.invoice)

    def adopt(self, case: Case, reference: str, seen: Snapshot) -> None:
        """A lost attempt was heard of, and nobody has an address yet: it becomes the invoice's.

        Only what could have been shown is: an address that does not fit stays an orphan, and so
        does one of which its provider does not say the order and the price.
        """
        invoice = case.invoice
        opened = Opened(
            reference=reference,
            coin=seen.coin,
            pay_amount=seen.pay_amount,
            address=seen.address,
            memo=seen.memo,
            network=seen.network,
            # One of unknown age stands no longer: it is shown as it is, and valued at the market.
            quote_expires_at=self._policy.quote_end(seen, case.now) or case.now,
            price=seen.price,
            order_id=seen.order_id,
            left_out=left_out(seen.order_id, seen.price),
        )
        if invoice.checkout is Checkout.ADDRESS and not self._faults(invoice, opened):
            case.invoice = self._payable(case, opened)
            case.put_payment(self._payment(case, opened, Kind.PRIMARY))

    async def _opened(
        self,
        tx: Tx,
        keyed: Keyed[Request],
        given: Answer,
        case: Case,
        opened: Opened,
        *,
        is_ours: bool,
    ) -> Answer | PayopsError:
        before = case.invoice
        is_awaited = is_ours and before.state in UNBORN
        if await self._belongs_to_another(tx, before, opened):
            await recording.halt_for_shared_id(tx, before.provider, opened.reference)
            if not is_awaited:
                return InProgress(retry_after_seconds=1)
            case.invoice = replace(before, state=State.UNKNOWN, state_since=case.now)
            await recording.write(tx, case, actor=ACTOR, before=before)
            return ProviderFailed()
        if not is_awaited:
            # Another attempt was quicker; this one's payment is known, and waits unseen. What is
            # picked on its page will be heard of.
            if not opened.is_page and opened.reference != before.provider_reference:
                case.put_payment(self._payment(case, opened, Kind.ORPHAN))
                await recording.write(tx, case, actor=ACTOR)
            return InProgress(retry_after_seconds=1)
        found = self._faults(before, opened)
        if found:
            payment = self._payment(case, opened, Kind.ORPHAN)
            case.contradicted(payment, found)
            await recording.write(tx, case, actor=ACTOR)
            return ProviderFailed()
        case.invoice = self._payable(case, opened)
        if not opened.is_page:
            case.put_payment(self._payment(case, opened, Kind.PRIMARY))
        after = await recording.write(tx, case, actor=ACTOR, before=before)
        tx.wake(recording.DUE)
        return await self._complete(tx, keyed, given, after)

    async def _belongs_to_another(self, tx: Tx, invoice: Invoice, opened: Opened) -> bool:
        """The provider gave us an id that it has given us for another invoice before.

        Otherwise it is this invoice's from now on.
        """
        kind = "page" if opened.is_page else "payment"
        return bool(
            await writing.keep_references(tx, invoice.provider, invoice, [(kind, opened.reference)])
        )

    def _payable(self, case: Case, opened: Opened) -> Invoice:
        invoice = case.invoice
        coin = self._coin_of(invoice.provider, invoice.coin) if invoice.coin else None
        amount = opened.pay_amount
        if amount is not None and coin is not None:
            # Up: whoever pays what is shown has paid in full.
            amount = amount.quantize(Decimal(1).scaleb(-coin.decimals), ROUND_CEILING)
        is_address = invoice.checkout is Checkout.ADDRESS
        expires_at = opened.quote_expires_at or case.now + self._policy.quote_lasts
        return replace(
            invoice,
            state=State.WAITING,
            state_since=case.now,
            provider_reference=opened.reference,
            pay_amount=amount if is_address else None,
            address=opened.address if is_address else None,
            memo=opened.memo if is_address else None,
            network=(coin.network if coin else opened.network) if is_address else None,
            checkout_url=opened.url,
            quote_expires_at=expires_at if is_address else opened.quote_expires_at,
        )

    def _payment(self, case: Case, opened: Opened, kind: Kind) -> Payment:
        """The payment behind ``opened``; a notification may have told us of it already."""
        known = case.payments.get(opened.reference)
        if known is not None:
            return replace(
                known, kind=kind, address=opened.address, memo=opened.memo, due_at=case.now
            )
        invoice = case.invoice
        return Payment(
            user_id=invoice.user_id,
            id=new_id(),
            invoice_id=invoice.id,
            provider=invoice.provider,
            reference=opened.reference,
            kind=kind,
            state=State.WAITING,
            provider_status="",
            coin=opened.coin,
            pay_amount=opened.pay_amount,
            address=opened.address,
            memo=opened.memo,
            network=opened.network,
            quote_expires_at=opened.quote_expires_at,
            due_at=case.now + self._policy.poll_first,
            created_at=case.now,
            state_since=case.now,
        )

    def _faults(self, invoice: Invoice, opened: Opened) -> list[str]:
        """What forbids showing this address to anybody."""
        found = opening_differences(invoice, opened)
        if invoice.checkout is Checkout.HOSTED:
            return [*found, *([] if opened.url else ["page"])]
        coin = self._coin_of(invoice.provider, invoice.coin or "")
        if coin is None or opened.address is None or opened.pay_amount is None:
            return [*found, "address"]
        if not networks.validate(coin.network, opened.address).is_valid:
            found.append("address")
        if opened.pay_amount <= 0:
            found.append("amount")
        if coin.has_memo and not opened.memo:
            found.append("memo")
        return found

    async def _refused(
        self, tx: Tx, keyed: Keyed[Request], case: Case, refused: Refused
    ) -> Answer | PayopsError:
        if refused.reason is Reason.OTHER:
            await self._note(tx, case.invoice, refused)
            return ProviderFailed("The payment provider refused to make this invoice.")
        before = case.invoice
        case.invoice = replace(before, state=State.FAILED, state_since=case.now)
        after = await recording.write(tx, case, actor=ACTOR, before=before)
        error: PayopsError = (
            AmountBelowMinimum()
            if refused.reason is Reason.BELOW_MINIMUM
            else UnsupportedCurrency()
        )
        answer = replace(self._render(error, keyed.command), resource=after.shown_id)
        await idempotency.complete(tx, keyed.key, answer)
        return answer

    async def _unopened(
        self, tx: Tx, case: Case, answer: NotDelivered | CredentialRefused | AnswerLost
    ) -> PayopsError:
        await self._note(tx, case.invoice, answer)
        if isinstance(answer, AnswerLost):
            before = case.invoice
            if before.state in UNBORN:
                case.invoice = replace(before, state=State.UNKNOWN, state_since=case.now)
                await recording.write(tx, case, actor=ACTOR, before=before)
            return ProviderFailed("The payment provider's answer was lost; ask again.")
        if isinstance(answer, CredentialRefused):
            await alerts.raise_alert(tx, _credentials_refused(case.invoice.provider))
        return ProviderUnavailable(retry_after_seconds=30)

    async def _note(self, tx: Tx, invoice: Invoice, answer: OpenAnswer) -> None:
        detail = {"attempt": invoice.attempts, "answer": _OUTCOME[type(answer)]}
        await audit.record(
            tx,
            [
                AuditEvent(
                    kind="deposit_attempt_failed",
                    actor=ACTOR,
                    user_id=invoice.user_id,
                    subject=invoice.shown_id,
                    detail={**detail, "why": _detail(answer)},
                )
            ],
        )

    async def _complete(
        self, tx: Tx, keyed: Keyed[Request], given: Answer, invoice: Invoice
    ) -> Answer:
        rendered = self._render(invoice, keyed.command)
        answer = replace(
            rendered, headers={**given.headers, **rendered.headers}, resource=invoice.shown_id
        )
        return await idempotency.complete(tx, keyed.key, answer)


def _credentials_key(provider: str) -> str:
    return f"deposit_credentials:{provider}"


def _credentials_refused(provider: str) -> Alert:
    return Alert(
        key=_credentials_key(provider),
        kind="deposit_credentials",
        severity=Severity.CRITICAL,
        summary="A provider of deposits refuses our API key.",
        detail={"provider": provider},
    )


_OUTCOME: Final[dict[type[object], str]] = {
    Opened: "opened",
    Refused: "refused",
    NotDelivered: "not_delivered",
    CredentialRefused: "credential_refused",
    AnswerLost: "lost",
}


def _detail(answer: OpenAnswer) -> str:
    """Our words for it, or the provider's with everything personal taken out."""
    match answer:
        case Opened():
            return ""
        case Refused(_, code, message):
            return scrub(f"{code} {message}".strip())[:_WORDS_MAX]
        case NotDelivered(why) | CredentialRefused(why) | AnswerLost(why):
            return why[:_WORDS_MAX]
