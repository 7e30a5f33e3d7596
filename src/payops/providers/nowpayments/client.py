"""NOWPayments over HTTP: one method a call, and errors that say what is known after a failure.

Questions are put again a few times. A creation never is: the provider knows no idempotency
key, so a second copy would be a second payment with a second address. The default is doubt.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
)

from payops.infra.http import (
    AnswerMissing,
    CallFailed,
    HttpClient,
    NeverWritten,
    Reply,
    checked_base_url,
    checked_header_value,
)
from payops.kernel.money import Money
from payops.kernel.retrying import Backoff
from payops.providers.nowpayments import wire
from payops.providers.nowpayments.canonical import parse
from payops.providers.reading import NotUnderstood, Object
from payops.providers.refusing import CREDENTIAL, is_decision

QUESTIONS: Final = Backoff(
    attempts_max=3, base=timedelta(milliseconds=200), jitter=timedelta(milliseconds=300)
)
PATIENCE: Final = timedelta(seconds=5)  # no question is begun again after that: somebody waits

_PASSES = frozenset({408, 425, 429})
_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_VERSIONED = re.compile(r".*/v[0-9]+", re.ASCII)


class NowPaymentsError(Exception):
    """Base of what this client raises. Texts hold statuses and kinds, never bodies.

    ├── NotActedOn      the request was never written
    ├── KeyRefused      401 or 403 to a creation
    ├── Rejected        it will not be acted on, says the provider
    ├── Ambiguous       it may have been acted on
    ├── NotFound        the provider does not know the payment asked about
    └── Unanswered      a question could not be put, or its answer not read
    """


class NotActedOn(NowPaymentsError):
    pass


class KeyRefused(NowPaymentsError):
    pass


class Rejected(NowPaymentsError):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"HTTP {status}")
        self.code = code
        self.message = message


class Ambiguous(NowPaymentsError):
    pass


class NotFound(NowPaymentsError):
    pass


class Unanswered(NowPaymentsError):
    """``is_outage``: no answer, or a 5xx. ``may_pass``: it may be another in a moment."""

    def __init__(self, why: str, *, is_outage: bool = False, may_pass: bool = False) -> None:
        super().__init__(why)
        self.is_outage = is_outage
        self.may_pass = may_pass


class NowPaymentsClient:
    """``base_url`` includes the version, as in ``https://api.nowpayments.io/v1``.

    Raises:
        ValueError: the address or the key cannot be used; the text repeats neither.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        base_url: str,
        api_key: str,
        questions: Backoff = QUESTIONS,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._http = http
        self._base_url = checked_base_url(base_url)
        if not _VERSIONED.fullmatch(self._base_url):
            raise ValueError("the base URL of NOWPayments ends in its version, /v1")
        self._headers = {
            "x-api-key": checked_header_value(api_key),
            "accept": "application/json",
        }
        self._questions = questions
        self._patience = patience

    async def create_payment(self, order: Mapping[str, str | Money]) -> Object:
        """Ask for an address to pay to; what the answer says, not yet read. Sent once.

        Raises:
            NotActedOn, KeyRefused, Rejected, Ambiguous: see there.
        """
        return await self._post("/payment", order)

    async def create_invoice(self, order: Mapping[str, str | Money]) -> Object:
        """Ask for a page on which the payer picks a coin. Otherwise as ``create_payment``."""
        return await self._post("/invoice", order)

    async def payment(self, payment_id: str) -> Object:
        """A payment as it is now.

        Raises:
            NotFound, Unanswered: see there; ``Unanswered`` also for what is no payment id,
                without asking.
        """
        if not _ID.fullmatch(payment_id):
            raise Unanswered("not the id of a payment")
        return await self._get(f"/payment/{payment_id}")

    async def merchant_coins(self) -> frozenset[str]:
        """The coins that the account takes, in upper case.

        Raises:
            Unanswered, NotUnderstood: no such list.
        """
        content = await self._question("/merchant/coins")
        return wire.codes_in(content, "selectedCurrencies", "currencies")

    async def full_currencies(self) -> tuple[wire.CoinRecord, ...]:
        """What the provider says of each coin.

        Raises:
            Unanswered, NotUnderstood: no such list.
        """
        return tuple(wire.records_in(await self._question("/full-currencies")))

    async def minimum_usd(self, coin: str, outcome: str | None) -> Decimal:
        """The dollars that the least payment in ``coin`` is worth, settled in ``outcome``.

        Where the provider does not give its worth, an estimate of the least amount does.

        Raises:
            Unanswered, NotUnderstood: no such number.
        """
        query = {"currency_from": coin.lower(), "fiat_equivalent": "usd"}
        if outcome is not None:
            query["currency_to"] = outcome.lower()
        content = await self._question("/min-amount", query)
        _require_echo(content, currency_from=coin)
        worth = wire.amount_in(content, "fiat_equivalent")
        if worth is not None:
            return worth
        least = wire.required_amount_in(content, "min_amount")
        return await self.usd_value(coin, least) if least else least

    async def usd_value(self, coin: str, amount: Decimal) -> Decimal:
        """What ``amount`` coins are worth in dollars now.

        Raises:
            Unanswered, NotUnderstood: no such number.
        """
        query = {
            "amount": wire.number_text(amount),
            "currency_from": coin.lower(),
            "currency_to": "usd",
        }
        content = await self._question("/estimate", query)
        _require_echo(content, currency_from=coin, currency_to="USD")
        return wire.required_amount_in(content, "estimated_amount")

    async def _post(self, path: str, order: Mapping[str, str | Money]) -> Object:
        headers = self._headers | {"content-type": "application/json"}
        try:
            reply = await self._http.request(
                "POST", f"{self._base_url}{path}", headers=headers, body=_written(order)
            )
        except NeverWritten as error:
            raise NotActedOn(str(error)) from error
        except AnswerMissing as error:
            raise Ambiguous(str(error)) from error
        if not 200 <= reply.status < 300:
            raise _refusal(reply)
        try:
            return parse(reply.body)
        except NotUnderstood as error:
            raise Ambiguous(f"HTTP {reply.status}, {error}") from error

    async def _question(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """As ``_get``, about something that is always there."""
        try:
            return await self._get(f"{path}?{urlencode(query)}" if query else path)
        except NotFound as error:
            raise Unanswered(str(error)) from error

    async def _get(self, path: str) -> Object:
        backoff = self._questions
        retrying = AsyncRetrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(backoff.attempts_max) | stop_after_delay(self._patience),
            wait=lambda state: backoff.wait_after(state.attempt_number).total_seconds(),
            reraise=True,
        )
        return await retrying(self._get_once, path)

    async def _get_once(self, path: str) -> Object:
        try:
            reply = await self._http.request(
                "GET", f"{self._base_url}{path}", headers=self._headers
            )
        except CallFailed as error:
            raise Unanswered(str(error), is_outage=True, may_pass=True) from error
        status = reply.status
        if status == 404 and wire.refusal_in(reply.body) is not None:
            raise NotFound("HTTP 404")
        if not 200 <= status < 300:
            failed = status >= 500
            raise Unanswered(
                f"HTTP {status}", is_outage=failed, may_pass=failed or status in _PASSES
            )
        try:
            return parse(reply.body)
        except NotUnderstood as error:
            raise Unanswered(f"unreadable: {error}") from error


def _refusal(reply: Reply) -> NowPaymentsError:
    why = f"HTTP {reply.status}"
    if reply.status in CREDENTIAL:
        return KeyRefused(why)
    if is_decision(reply.status):
        refusal = wire.refusal_in(reply.body)
        if refusal is not None:
            return Rejected(reply.status, *refusal)
    return Ambiguous(why)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Unanswered) and error.may_pass


def _require_echo(content: Object, **asked: str) -> None:
    """Raises ``NotUnderstood`` when the answer is about another pair than was asked for."""
    for name, code in asked.items():
        if wire.code_in(content, name) not in {None, code.upper()}:
            raise NotUnderstood(name)


def _written(order: Mapping[str, str | Money]) -> bytes:
    """``order`` as JSON, an amount as a number with exactly its digits."""
    pairs = (
        f"{json.dumps(name)}: {value.text if isinstance(value, Money) else json.dumps(value)}"
        for name, value in order.items()
    )
    return f"{{{', '.join(pairs)}}}".encode()
