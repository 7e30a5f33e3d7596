"""A notification's body as a person may see it: without numbers, secrets and names.

What a person needs of it is what the provider said of a payment. Who was paid has a way of
its own to be seen, which is counted apart.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from payops.infra.logging.redaction import HIDDEN, clean, clean_text
from payops.ops.service.notifications import delivery_id_of
from payops.ops.service.operations import Operations
from payops.ops.service.personal_data import cleaned, tell_refused
from payops.pii.domain import Access
from payops.pii.errors import Erased, QuotaReached
from payops.webhooks import service as webhooks
from payops.webhooks.domain import Delivery

# Of a person, of whatever holds one, and of where they live; compared in small letters only.
_OF_A_PERSON: Final = re.compile(
    r"name|customer|payer|payee|receiver|sender|beneficiary|holder|address(?:line|1|2)|birth|national"
)
# ``{"Key": "ReceiverPartyPublicName", "Value": …}``, as M-Pesa has its results.
_LABELS: Final = ("key", "name")


@dataclass(frozen=True, slots=True)
class Body:
    """``text`` is JSON when the provider sent JSON, else whatever was sent."""

    delivery: Delivery
    text: str


async def open_body(operations: Operations, shown_id: str, access: Access) -> Body:
    """What a provider sent, for a person who said why.

    A refusal because of the quota is audited and raises an alert.

    Raises:
        DeliveryNotFound: there is none.
        Erased: the body is past its retention.
        QuotaReached: this principal has opened enough for this purpose for now.
    """
    delivery_id = delivery_id_of(shown_id)
    try:
        async with operations.db.transaction() as tx:
            delivery = await webhooks.delivery(tx, delivery_id)
            found = await webhooks.body(tx, delivery_id)
            if found is None:
                raise Erased("The body of this notification was erased.")
            raw = await operations.personal_data.open_value(tx, *found, cleaned(access))
    except QuotaReached as refusal:
        await tell_refused(operations, access, str(refusal))
        raise
    return Body(delivery, shown(raw))


def shown(raw: bytes) -> str:
    """``raw`` as text that may be shown: what names or reaches a person is taken out.

    What is not JSON has no names of fields; of that only numbers, addresses and secrets go.
    """
    text = raw.decode(errors="replace")
    try:
        document = json.loads(text, parse_float=str)
    except (ValueError, RecursionError):
        return clean_text(text)
    return json.dumps(clean(_impersonal(document)), indent=2, ensure_ascii=False)


def _impersonal(value: Any) -> Any:
    if isinstance(value, list):
        return [_impersonal(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    label = _label_of(value)
    return {
        name: HIDDEN
        if item is not None and _is_personal(label if name.lower() == "value" else name, value)
        else _impersonal(item)
        for name, item in value.items()
    }


def _label_of(value: Mapping[str, Any]) -> str:
    """What a pair is called that has its name in a field of its own; "" for anything else."""
    small = {name.lower(): item for name, item in value.items()}
    if "value" not in small:
        return ""
    return next((str(small[name]) for name in _LABELS if name in small), "")


def _is_personal(name: str, holder: Mapping[str, Any]) -> bool:
    is_label = name.lower() in _LABELS and _label_of(holder) != ""
    return not is_label and _OF_A_PERSON.search(re.sub(r"[_-]", "", name.lower())) is not None
