"""Alerts: raised and resolved as rows of the caller's transaction, told of afterwards."""

from payops.alerts.service.delivering import (
    AlertDelivery,
    Courier,
    Tried,
    assemble,
    try_channels,
)
from payops.alerts.service.planning import Planner
from payops.alerts.service.raising import (
    OPEN_LIST_MAX,
    acknowledge,
    close,
    count_open,
    list_open,
    list_past,
    raise_alert,
    resolve_alert,
    resolve_alerts,
    unseen,
)

__all__ = [
    "OPEN_LIST_MAX",
    "AlertDelivery",
    "Courier",
    "Planner",
    "Tried",
    "acknowledge",
    "assemble",
    "close",
    "count_open",
    "list_open",
    "list_past",
    "raise_alert",
    "resolve_alert",
    "resolve_alerts",
    "try_channels",
    "unseen",
]
