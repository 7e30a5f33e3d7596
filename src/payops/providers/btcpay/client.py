"""BTCPay over HTTP: one method a call, and errors that say what is known after a failure.

A request for an invoice is sent once: the server has no key that would make two of them one.
Questions may be put again, but that is for those who ask to decide.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from payops.infra.http import (
    AnswerMissing,
    CallFailed,
    HttpClient,
    NeverWritten,
    Reply,
    checked_base_url,
    checked_header_value,
)
from payops.providers.btcpay import wire
from payops.providers.reading import NotUnderstood
from payops.providers.refusing import CREDENTIAL, is_decision

_STORE_ID: Final = re.compile(r"[0-9A-Za-z]{1,64}", re.ASCII)
_INVOICE_NOT_FOUND: Final = "invoice-not-found"


class BtcPayError(Exception):
    """Base of what this client raises. Texts hold statuses and kinds, never bodies.

    ├── NotActedOn      the request was never written
    ├── KeyRefused      401 or 403 to a request for an invoice
    ├── Rejected        no invoice was made, says the server
    ├── Ambiguous       one may have been made
    ├── NotFound        the server has no such invoice
    └── Unanswered      a question could not be put, or its answer not read
    """


class NotActedOn(BtcPayError):
    pass


class KeyRefused(BtcPayError):
    pass


class Rejected(BtcPayError):
    def __init__(self, status: int, refusal: wire.Refusal) -> None:
        super().__init__(f"HTTP {status}")
        self.code = refusal.code
        self.message = refusal.message


class Ambiguous(BtcPayError):
    pass


class NotFound(BtcPayError):
    pass


class Unanswered(BtcPayError):
    """``is_outage`` is true when there was no answer, or a 5xx."""

    def __init__(self, why: str, *, is_outage: bool = False) -> None:
        super().__init__(why)
        self.is_outage = is_outage


class BtcPayClient:
    """``base_url`` includes the version, as in ``https://btcpay.example/api/v1``.

    Raises:
        ValueError: the address, the store or the key cannot be used; the text repeats none.
    """

    def __init__(self, http: HttpClient, *, base_url: str, store_id: str, api_key: str) -> None:
        if not _STORE_ID.fullmatch(store_id):
            raise ValueError("not the id of a store")
        self._http = http
        self._store_url = f"{checked_base_url(base_url)}/stores/{store_id}"
        self._headers = {
            "authorization": checked_header_value(f"token {api_key}"),
            "accept": "application/json",
        }

    async def create_invoice(self, order: Mapping[str, Any]) -> wire.Invoice:
        """Sent once. A second call with the same order makes a second invoice.

        Raises:
            NotActedOn, KeyRefused, Rejected, Ambiguous: see there.
        """
        headers = self._headers | {"content-type": "application/json"}
        try:
            reply = await self._http.request(
                "POST",
                f"{self._store_url}/invoices",
                headers=headers,
                body=json.dumps(order).encode(),
            )
        except NeverWritten as error:
            raise NotActedOn(str(error)) from error
        except AnswerMissing as error:
            raise Ambiguous(str(error)) from error
        if not 200 <= reply.status < 300:
            raise _refusal(reply)
        try:
            return wire.read_invoice(reply.body)
        except NotUnderstood as error:
            raise Ambiguous(f"HTTP {reply.status}, unreadable: {error}") from error

    async def invoice(self, invoice_id: str) -> wire.Invoice:
        """Raises ``NotFound`` and ``Unanswered``: see there."""
        body = await self._get(f"/invoices/{quote(invoice_id, safe='')}")
        try:
            invoice = wire.read_invoice(body)
        except NotUnderstood as error:
            raise Unanswered(f"unreadable: {error}") from error
        if invoice.id != invoice_id:
            raise Unanswered("about another invoice")
        return invoice

    async def payment_methods(self, invoice_id: str) -> tuple[wire.Method, ...]:
        """Raises ``NotFound`` and ``Unanswered``: see there."""
        body = await self._get(f"/invoices/{quote(invoice_id, safe='')}/payment-methods")
        try:
            return wire.read_methods(body)
        except NotUnderstood as error:
            raise Unanswered(f"unreadable: {error}") from error

    async def usd_rate(self, coin: str) -> Decimal:
        """Dollars for one coin, by the store's own source of rates.

        Raises:
            Unanswered: see there.
        """
        pair = f"{coin}_USD"
        try:
            body = await self._get(f"/rates?currencyPair={quote(pair, safe='')}")
            return wire.read_rate(body, pair)
        except NotFound as error:
            raise Unanswered(str(error)) from error
        except NotUnderstood as error:
            raise Unanswered(f"unreadable: {error}") from error

    async def _get(self, path: str) -> bytes:
        try:
            reply = await self._http.request(
                "GET", f"{self._store_url}{path}", headers=self._headers
            )
        except CallFailed as error:
            raise Unanswered(str(error), is_outage=True) from error
        if reply.status == 404 and _says_not_found(reply.body):
            raise NotFound("HTTP 404")
        if reply.status != 200:
            raise Unanswered(f"HTTP {reply.status}", is_outage=reply.status >= 500)
        return reply.body


def _says_not_found(body: bytes) -> bool:
    """Whether it is the server that does not know, not a proxy on a wrong path."""
    refusal = wire.refusal_in(body)
    return refusal is not None and refusal.code == _INVOICE_NOT_FOUND


def _refusal(reply: Reply) -> BtcPayError:
    why = f"HTTP {reply.status}"
    if reply.status in CREDENTIAL:
        return KeyRefused(why)
    if is_decision(reply.status):
        refusal = wire.refusal_in(reply.body)
        if refusal is not None:
            return Rejected(reply.status, refusal)
    return Ambiguous(why)
