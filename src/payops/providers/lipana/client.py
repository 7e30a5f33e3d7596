"""Lipana over HTTP: one method a call, and errors that say what is known after a failure.

The default is doubt. A payout request is known not to have been acted on in two cases only:
it was never written, or it was answered with a refusal that we could read.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
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
from payops.kernel.clock import Clock, SystemClock
from payops.providers.lipana import wire
from payops.providers.reading import NotUnderstood, Object, read_object
from payops.providers.refusing import CREDENTIAL, is_decision, retry_after

PAGE_LIMIT: Final = 100


class LipanaError(Exception):
    """Base of what this client raises. Texts hold statuses and kinds, never bodies.

    ├── NotActedOn      the request was never written
    ├── KeyRefused      401 or 403
    ├── Rejected        it will not be acted on, says the rail
    ├── Ambiguous       it may have been acted on
    ├── NotFound        the rail does not know the payout asked about
    └── Unanswered      a question could not be put, or its answer not read
    """


class NotActedOn(LipanaError):
    pass


class KeyRefused(LipanaError):
    pass


class Rejected(LipanaError):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"HTTP {status}")
        self.code = code
        self.message = message


class Ambiguous(LipanaError):
    """``repeatable`` is false when the rail answered in a way that a repeat cannot clear up.

    ``is_outage`` is true when it did not answer, or with a 5xx.
    """

    def __init__(
        self,
        why: str,
        *,
        retry_after: timedelta | None = None,
        repeatable: bool = True,
        is_outage: bool = False,
    ) -> None:
        super().__init__(why)
        self.retry_after = retry_after
        self.repeatable = repeatable
        self.is_outage = is_outage


class NotFound(LipanaError):
    pass


class Unanswered(LipanaError):
    """``by_server`` is true for a 5xx: another question may fare better."""

    def __init__(self, why: str, *, by_server: bool = False) -> None:
        super().__init__(why)
        self.by_server = by_server


class LipanaClient:
    """``base_url`` includes the version, as in ``https://api.lipana.dev/v1``.

    Raises:
        ValueError: the address or the key cannot be used; the text repeats neither.
    """

    def __init__(
        self, http: HttpClient, *, base_url: str, api_key: str, clock: Clock | None = None
    ) -> None:
        self._http = http
        self._base_url = checked_base_url(base_url)
        self._headers = {
            "x-api-key": checked_header_value(api_key),
            "accept": "application/json",
        }
        self._clock = clock or SystemClock()

    async def pay_phone(self, order: Mapping[str, Any]) -> Object:
        """Ask for a payout; the payout as the rail then has it, with an id of the rail's.

        Sent once. Whether a second call with the same order is a second payment depends on
        the dialect (docs/providers/lipana.md).

        Raises:
            NotActedOn, KeyRefused, Rejected, Ambiguous: see there.
        """
        body = json.dumps(order).encode()
        headers = self._headers | {"content-type": "application/json"}
        try:
            reply = await self._http.request(
                "POST", f"{self._base_url}/payouts/phone", headers=headers, body=body
            )
        except NeverWritten as error:
            raise NotActedOn(str(error)) from error
        except AnswerMissing as error:
            raise Ambiguous(str(error), is_outage=True) from error
        if 200 <= reply.status < 300:
            return _accepted(reply)
        raise self._refusal(reply)

    async def payout(self, either_id: str) -> Object:
        """The payout that the rail knows by ``either_id``.

        Raises:
            NotFound, Unanswered: see there.
        """
        return wire.payout_in(await self._get(f"/payouts/{quote(either_id, safe='')}"))

    async def page(self, number: int) -> wire.Page:
        """Page ``number``, counted from one, of the list of payouts.

        Raises:
            NotFound, Unanswered: see there.
        """
        content = await self._get(f"/payouts?page={number}&limit={PAGE_LIMIT}")
        try:
            return wire.page_in(content, number)
        except NotUnderstood as error:
            raise Unanswered(f"unreadable: {error}") from error

    async def _get(self, path: str) -> Object:
        try:
            reply = await self._http.request(
                "GET", f"{self._base_url}{path}", headers=self._headers
            )
        except CallFailed as error:
            raise Unanswered(str(error)) from error
        if reply.status == 404 and wire.refusal_in(reply.body) is not None:
            raise NotFound("HTTP 404")
        if reply.status != 200:
            raise Unanswered(f"HTTP {reply.status}", by_server=reply.status >= 500)
        try:
            content = read_object(reply.body)
        except NotUnderstood as error:
            raise Unanswered(f"unreadable: {error}") from error
        if not wire.succeeded(content):
            raise Unanswered("success is not true")
        return content

    def _refusal(self, reply: Reply) -> LipanaError:
        why = f"HTTP {reply.status}"
        if reply.status in CREDENTIAL:
            return KeyRefused(why)
        if is_decision(reply.status):
            refusal = wire.refusal_in(reply.body)
            if refusal is not None:
                return Rejected(reply.status, *refusal)
        return Ambiguous(
            why,
            retry_after=retry_after(reply, self._clock.now()),
            is_outage=reply.status >= 500,
        )


def _accepted(reply: Reply) -> Object:
    """The payout in a 2xx.

    Raises:
        Ambiguous: nobody can tell what it means; repeatable if it is not even an object,
            as when a proxy puts a page of its own in place of the answer.
    """
    why = f"HTTP {reply.status}"
    try:
        content = read_object(reply.body)
    except NotUnderstood as error:
        raise Ambiguous(f"{why}, {error}") from error
    if not wire.succeeded(content):
        raise Ambiguous(f"{why}, success is not true", repeatable=False)
    return wire.payout_in(content)
