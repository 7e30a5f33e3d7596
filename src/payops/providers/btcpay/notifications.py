"""BTCPay's notifications: is it theirs, and which invoice is it about.

They say little, and what they say is not taken: the invoice is read back. Only the order they
name is used, to recognise an invoice whose making was never answered. A notification that is
delivered again has another delivery id, so it is other bytes and reads the invoice once more.
"""

import re
from collections.abc import Mapping
from typing import Final

from payops.deposits.ports import Notice, Snapshot
from payops.providers.btcpay import wire
from payops.providers.reading import NotUnderstood, read_object
from payops.providers.signatures import Secrets
from payops.webhooks.ports import Unreadable

SIGNATURE_HEADER: Final = "btcpay-sig"

# One signature. Two headers arrive joined by a comma, which does not match.
_SIGNATURE = re.compile(r"sha256=([0-9a-fA-F]{64})", re.ASCII)


class BtcPayNotifications:
    """``secrets``: the current webhook secret and, while it is being rotated, the previous one."""

    name = "btcpay"

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        self._secrets = Secrets(secrets, "sha256")

    def is_authentic(self, headers: Mapping[str, str], body: bytes) -> bool:
        match = _SIGNATURE.fullmatch(headers.get(SIGNATURE_HEADER, ""))
        return match is not None and self._secrets.have_signed(body, bytes.fromhex(match[1]))

    def read(self, path_reference: str | None, body: bytes) -> Notice:
        """Any event about an invoice, also of a type that is new.

        Raises:
            Unreadable: no invoice is named, or another one than in the path.
        """
        try:
            content = read_object(body)
            reference = wire.id_of(content.get("invoiceId"), "invoice id")
        except NotUnderstood as error:
            raise Unreadable(str(error)) from None
        if path_reference not in {None, reference}:
            raise Unreadable("path and invoice id differ")
        order_id = wire.order_id_in(content)
        if order_id is None:
            return Notice(reference)
        return Notice(reference, Snapshot(reference, None, "", order_id=order_id))
