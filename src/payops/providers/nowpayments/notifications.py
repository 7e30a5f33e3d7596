"""NOWPayments' notifications: is it theirs, and what does it say.

The signature covers what the body means, not its bytes, and neither a time nor an event id:
an old notification can be delivered again for ever, and spelled in other ways. So ids are
taken in one spelling only, and whatever a notification says is a hint until read back.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import structlog

from payops.deposits.ports import Notice
from payops.providers.nowpayments import canonical
from payops.providers.nowpayments.canonical import Form
from payops.providers.nowpayments.payments import snapshot_of
from payops.providers.reading import NotUnderstood, Object
from payops.providers.signatures import Secrets
from payops.webhooks.ports import Unreadable

SIGNATURE_HEADER: Final = "x-nowpayments-sig"

log = structlog.get_logger(__name__)

# One signature, in either case. Two headers arrive joined by a comma, which does not match.
_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}", re.ASCII)


class NowPaymentsNotifications:
    """``secrets``: the current IPN secret and, while it is being rotated, the previous one."""

    name = "nowpayments"

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        # The provider trims its own copy.
        self._secrets = Secrets((secret.strip() for secret in secrets), "sha512")

    def is_authentic(self, headers: Mapping[str, str], body: bytes) -> bool:
        match = _SIGNATURE.fullmatch(headers.get(SIGNATURE_HEADER, ""))
        if match is None or not self._secrets or len(body) > canonical.BODY_BYTES_MAX:
            return False
        signature = bytes.fromhex(match[0])
        try:
            for form, text in _prints(canonical.parse(body)):
                if self._secrets.have_signed(text, signature):
                    log.debug("nowpayments.signature_matched", form=form.value)
                    return True
        except NotUnderstood:
            return False
        return False

    def read(self, path_reference: str | None, body: bytes) -> Notice:  # noqa: ARG002 - one address for all
        """What is claimed of one payment.

        Raises:
            Unreadable: not about a payment, or a value that cannot be; nothing is guessed.
        """
        try:
            content = canonical.parse(body)
            if "payment_id" not in content or "batch_withdrawal_id" in content:
                raise NotUnderstood("not about a payment")  # noqa: TRY301 - as any other
            claimed = snapshot_of(content)
        except NotUnderstood as error:
            raise Unreadable(str(error)) from None
        return Notice(claimed.reference, claimed)


def _prints(content: Object) -> Iterator[tuple[Form, bytes]]:
    """What may have been signed, the likeliest first, each made only if it is needed."""
    script = canonical.printed(content, Form.SCRIPT)
    yield Form.SCRIPT, script
    literal = canonical.printed(content, Form.LITERAL)
    if literal != script:
        yield Form.LITERAL, literal
    if canonical.has_lists(content):
        yield Form.INDEXED, canonical.printed(content, Form.INDEXED)
