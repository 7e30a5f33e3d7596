"""Crypto deposits on the wire."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from payops.deposits.domain.invoices import Checkout, Invoice
from payops.deposits.domain.states import State
from payops.deposits.service.matching import is_suspect
from payops.deposits.service.requesting import Request, Result
from payops.idempotency.domain import Answer
from payops.infra.web.amounts import MoneyText
from payops.infra.web.problem import problem_body, problem_headers, status_of
from payops.infra.web.replies import MoneyReply, body_of
from payops.infra.web.wire import Wire, WireReply
from payops.kernel.errors import PayopsError, Unavailable
from payops.kernel.money import Money

_CREATED = 201
_CODE = r"^[A-Za-z0-9]{2,20}$"


class InvoiceRequest(Wire):
    user_id: Annotated[str, Field(max_length=64)] | None = None
    amount: MoneyText
    currency: Literal["KES", "USD"]
    pay_currency: (
        Annotated[
            str, Field(pattern=_CODE, description="In any case", examples=["BTC", "usdttrc20"])
        ]
        | None
    ) = None
    provider: Annotated[str, Field(max_length=32, examples=["nowpayments"])] | None = None
    checkout: Checkout = Checkout.ADDRESS


class InvoiceReply(WireReply):
    invoice_id: str
    user_id: str
    price: MoneyReply
    pay_currency: str | None = None
    pay_amount: str | None = Field(None, description="Rounded up: paying it pays in full")
    address: str | None = Field(None, description="Worth nothing without `memo`, if there is one")
    network: str | None = None
    memo: str | None = None
    checkout_url: str | None = None
    provider: str
    provider_reference: str | None = None
    status: State
    created_at: datetime
    quote_expires_at: datetime | None = None
    credited: MoneyReply | None = None
    rate: str | None = Field(
        None, description="Shillings a dollar, of an invoice in shillings; two decimals at least"
    )

    @classmethod
    def of(cls, invoice: Invoice) -> "InvoiceReply":
        """Where to pay is not said while it may be another's: until people have decided on a
        contradiction of the provider's.
        """
        credited = invoice.credited_minor
        is_payable = not is_suspect(invoice)
        return cls(
            invoice_id=invoice.shown_id,
            user_id=invoice.user_id,
            price=MoneyReply.of(invoice.price),
            pay_currency=invoice.coin,
            pay_amount=plain(invoice.pay_amount) if is_payable else None,
            address=invoice.address if is_payable else None,
            network=invoice.network,
            memo=invoice.memo if is_payable else None,
            checkout_url=invoice.checkout_url if is_payable else None,
            provider=invoice.provider,
            provider_reference=invoice.provider_reference,
            status=invoice.state,
            created_at=invoice.created_at,
            quote_expires_at=invoice.quote_expires_at,
            credited=MoneyReply.of(Money(credited, invoice.price.currency)) if credited else None,
            rate=rate_text(invoice.rate) if invoice.rate is not None else None,
        )


class AddressRequest(Wire):
    currency: Annotated[str, Field(pattern=_CODE)]
    address: Annotated[str, Field(max_length=256)]


class AddressReply(WireReply):
    valid: bool
    network: str | None = None
    reason: str | None = None


def plain(amount: Decimal | None) -> str | None:
    """All digits and no exponent: ``0.00001``, never ``1E-5``."""
    return None if amount is None else f"{amount:f}"


def rate_text(rate: Decimal) -> str:
    """No exponent, and of the digits after the point two at least and no noughts after those:
    ``130.00``, ``129.695``.
    """
    whole, _, decimals = f"{rate:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def location(shown_id: str) -> str:
    return f"/api/crypto/invoices/{shown_id}"


def rendered(result: Result, request: Request) -> Answer:
    """The answer to a request, as it is stored under its key.

    That deposits are halted is true for now only: the same key may be sent again.
    """
    if isinstance(result, PayopsError):
        return Answer(
            status_of(result),
            problem_body(result, request.request_id or ""),
            problem_headers(result),
            is_kept=not isinstance(result, Unavailable),
        )
    return Answer(
        _CREATED,
        body_of(InvoiceReply.of(result)),
        {"Location": location(result.shown_id)},
        resource=result.shown_id,
    )
