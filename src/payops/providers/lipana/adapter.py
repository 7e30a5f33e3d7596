"""Lipana as a payout rail: its words to ours, in both of its dialects.

With ``sends_reference`` the rail takes our transaction id, de-duplicates on it and is asked
by it. Without, it knows a phone and an amount, and every request is another payment: an
unclear payout can then only be looked for in the list.
"""

from typing import Any

from payops.providers.lipana import search, wire
from payops.providers.lipana.client import (
    Ambiguous,
    KeyRefused,
    LipanaClient,
    NotActedOn,
    NotFound,
    Rejected,
    Unanswered,
)
from payops.providers.reading import NotUnderstood, Object
from payops.withdrawals.ports import (
    Answer,
    AnswerLost,
    CredentialRefused,
    Declined,
    NoAnswer,
    NotDelivered,
    NotKnown,
    Outcome,
    Payout,
    Question,
    StatusAnswer,
    Taken,
)


class LipanaRail:
    """``public_url`` is where the rail reaches us; callbacks come to its ``/webhooks/mpesa/…``."""

    name = "lipana"

    def __init__(self, client: LipanaClient, *, public_url: str, sends_reference: bool) -> None:
        self._client = client
        self._callbacks_url = f"{public_url.rstrip('/')}/webhooks/mpesa"
        self.deduplicates = sends_reference

    async def send(self, payout: Payout) -> Answer:
        try:
            return _taken(await self._client.pay_phone(self._order(payout)), payout.txid)
        except Rejected as error:
            return Declined(error.code, error.message)
        except NotActedOn as error:
            return NotDelivered(str(error))
        except KeyRefused as error:
            return CredentialRefused(str(error))
        except Ambiguous as error:
            # Where a repeat is another payment, nothing is repeatable.
            return AnswerLost(
                str(error),
                retry_after=error.retry_after,
                repeatable=error.repeatable and self.deduplicates,
                is_outage=error.is_outage,
            )

    async def ask(self, question: Question) -> StatusAnswer:
        either_id = question.txid if self.deduplicates else question.reference
        if either_id is None:
            return await search.candidates(self._client, question)
        try:
            return search.report_of(await self._client.payout(either_id))
        except NotFound:
            return NotKnown()
        except Unanswered as error:
            if error.by_server:
                return await search.by_id(self._client, question)
            return NoAnswer(str(error))
        except NotUnderstood as error:
            return NoAnswer(f"unreadable: {error}")

    def _order(self, payout: Payout) -> dict[str, Any]:
        order = {"phone": payout.phone.digits, "amount": payout.amount_kes}
        if not self.deduplicates:
            return order
        return order | {
            "transactionId": payout.txid,
            "userId": payout.user_id,
            "callbackUrl": f"{self._callbacks_url}/{payout.txid}",
        }


def _taken(payout: Object, txid: str) -> Taken:
    """Accepted, whatever the status, as long as there is an id and no talk of failure.

    Raises:
        Ambiguous: not repeatable, because the rail would only say the same again.
    """
    try:
        ids = wire.ids_of_answer(payout)
    except NotUnderstood as error:
        raise Ambiguous(f"2xx, {error} unreadable", repeatable=False) from error
    if ids.reference is None:
        raise Ambiguous("2xx without an id", repeatable=False)
    if ids.txid not in {None, txid}:
        raise Ambiguous("2xx about another payout", repeatable=False)
    status = payout.get("status")
    if isinstance(status, str) and wire.OUTCOMES.get(status.strip().lower()) is Outcome.FAILED:
        raise Ambiguous("2xx that says failed", repeatable=False)
    return Taken(ids.reference)
