"""Lipana's callbacks: is it theirs, and what does it say.

The signature covers the raw bytes and nothing else, no time and no address, so an old
callback can be delivered again for ever. That it has effect once is the inbox's business.
"""

import re
from collections.abc import Mapping
from typing import Final

from payops.providers.lipana import wire
from payops.providers.reading import NotUnderstood, Object, read_object
from payops.providers.signatures import Secrets
from payops.webhooks.ports import Unreadable
from payops.withdrawals.ports import Outcome, Report

SIGNATURE_HEADER: Final = "x-lipana-signature"

# One signature, in either case. Two headers arrive joined by a comma, which does not match.
_SIGNATURE = re.compile(r"(?:sha256=)?([0-9a-fA-F]{64})", re.ASCII)
_EVENT = re.compile(r"(?:payout|transaction|payment)\.([a-z]{1,32})", re.ASCII)


class LipanaCallbacks:
    """``secrets``: the current webhook secret and, while it is being rotated, the previous one."""

    name = "lipana"

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        self._secrets = Secrets(secrets, "sha256")

    def is_authentic(self, headers: Mapping[str, str], body: bytes) -> bool:
        match = _SIGNATURE.fullmatch(headers.get(SIGNATURE_HEADER, ""))
        return match is not None and self._secrets.have_signed(body, bytes.fromhex(match[1]))

    def read(self, path_reference: str | None, body: bytes) -> Report:
        """One of three forms: plain, an event with ``data``, an event with all at the top.

        Raises:
            Unreadable: none of these, or a value that cannot be; nothing is guessed.
        """
        try:
            return _report(path_reference, read_object(body))
        except NotUnderstood as error:
            raise Unreadable(str(error)) from None


def _report(path_reference: str | None, content: Object) -> Report:
    if path_reference is not None and not wire.is_short_text(path_reference):
        raise NotUnderstood("path")
    facts = _facts(content)
    ids = wire.ids_of_callback(facts)
    return Report(
        outcome=_outcome(content, facts),
        txid=ids.txid,
        reference=ids.reference,
        path_txid=path_reference,
        user_id=wire.user_id_of(facts),
        amount_minor=wire.amount_minor_of(facts),
        phone=wire.phone_of(facts),
        receipt=wire.receipt_of(facts),
        code=wire.code_of(facts),
        message=wire.message_of(facts),
    )


def _facts(content: Object) -> Object:
    if "data" not in content:
        return content
    data = content["data"]
    if not isinstance(data, dict) or "event" not in content:
        raise NotUnderstood("data")
    return data


def _outcome(content: Object, facts: Object) -> Outcome:
    """By the status and by the event's name, which must agree where both are given."""
    said: set[Outcome] = set()
    if content.get("event") is not None:
        said.add(_outcome_of_event(content["event"]))
    statuses = (holder.get("status") for holder in (content, facts))
    said.update(wire.outcome_of(status) for status in statuses if status is not None)
    if len(said) != 1:
        raise NotUnderstood("event and status differ" if said else "status")
    return said.pop()


def _outcome_of_event(event: object) -> Outcome:
    match = _EVENT.fullmatch(event) if isinstance(event, str) else None
    if match is None:
        raise NotUnderstood("event")
    return wire.outcome_of(match[1])
