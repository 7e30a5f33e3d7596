"""Looking after the inbox."""

from uuid import UUID

from payops.alerts import service as alerts
from payops.ops.service.operations import Operations
from payops.webhooks.domain import Delivery, State, read, show
from payops.webhooks.errors import DeliveryNotFound


async def replay(
    operations: Operations, shown_id: str, *, actor: str, request_id: str | None = None
) -> Delivery:
    """Let a kept notification have its effect now; if it has, its alert is over.

    Raises:
        DeliveryNotFound: there is none of this id.
        NotReplayable: it can have no effect.
    """
    delivery_id = delivery_id_of(shown_id)
    delivery = await operations.inbox.replay(delivery_id, actor=actor, request_id=request_id)
    if delivery.state is State.APPLIED:
        async with operations.db.transaction() as tx:
            await alerts.resolve_alert(tx, f"webhook_parked:{show(delivery_id)}")
    return delivery


def delivery_id_of(shown_id: str) -> UUID:
    """Raises ``DeliveryNotFound`` for whatever is not one of our ids."""
    try:
        return read(shown_id)
    except ValueError:
        raise DeliveryNotFound from None
