"""Alerts as PagerDuty events: one incident a key, however many copies arrive.

PagerDuty joins events of one ``dedup_key``, so a message sent twice wakes nobody twice, and
"over" for a key it does not know is dropped there.
"""

import hashlib
import json
import re
from typing import Any, Final
from urllib.parse import urlsplit

from payops.alerts.domain import NoticeKind
from payops.alerts.ports import Delivered, Delivery, Failed, Notice, Refused
from payops.infra.http import HttpClient, Reply, checked_base_url
from payops.kernel.clock import Clock, SystemClock
from payops.providers.posting import failed, post_json

_PATH: Final = "/v2/enqueue"
_SUMMARY_LENGTH_MAX: Final = 1_024
_KEY_LENGTH_MAX: Final = 255
_ROUTING_KEY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)

_ACTIONS: Final = {
    NoticeKind.RAISED: "trigger",
    NoticeKind.WORSENED: "trigger",
    NoticeKind.RENEWED: "trigger",
    NoticeKind.ESCALATED: "trigger",
    NoticeKind.ACKNOWLEDGED: "acknowledge",
    NoticeKind.RESOLVED: "resolve",
    NoticeKind.TEST: "trigger",
}


class PagerDutyNotifier:
    """``url`` may be the address of a region or a stand-in; without a path it gets theirs.

    Raises:
        ValueError: the address or the key cannot be used; the text repeats neither.
    """

    name = "pagerduty"

    def __init__(
        self,
        http: HttpClient,
        *,
        url: str,
        routing_key: str,
        source: str,
        clock: Clock | None = None,
    ) -> None:
        base = checked_base_url(url)
        if not _ROUTING_KEY.fullmatch(routing_key):
            raise ValueError("not usable as a routing key")
        self._http = http
        self._url = base if urlsplit(base).path else f"{base}{_PATH}"
        self._routing_key = routing_key
        self._source = source
        self._clock = clock or SystemClock()

    async def deliver(self, notice: Notice) -> Delivery:
        sent = await self._post(event_of(notice, self._source))
        if notice.kind is NoticeKind.TEST and isinstance(sent, Delivered):
            # A trial must not leave an incident behind.
            return await self._post(_action("resolve", notice.key))
        return sent

    async def _post(self, event: dict[str, Any]) -> Delivery:
        content = {"routing_key": self._routing_key, **event}
        reply = await post_json(self._http, self._url, content)
        if isinstance(reply, Failed):
            return reply
        if reply.status == 202:
            return Delivered()
        if reply.status == 400 and not _is_about_key(reply):
            return Refused("HTTP 400")
        return failed(reply, self._clock.now())


def event_of(notice: Notice, source: str) -> dict[str, Any]:
    """The event without its routing key. Only a trigger carries what the alert says."""
    event = _action(_ACTIONS[notice.kind], notice.key)
    if event["event_action"] != "trigger":
        return event
    summary = f"{source}: {notice.headline}"
    event["payload"] = {
        "summary": summary[:_SUMMARY_LENGTH_MAX],
        "source": source,
        "severity": notice.severity.value,  # info, warning and critical are words of theirs too
        "timestamp": notice.at.isoformat(),
        "component": "payops",
        "class": notice.alert_kind,
        "custom_details": {
            **dict(notice.facts),
            "alert": notice.alert_id,
            "raised_at": notice.raised_at.isoformat(),
            **({"runbook": notice.runbook} if notice.runbook else {}),
        },
    }
    event["client"] = source
    if notice.runbook and notice.runbook.startswith(("http://", "https://")):
        event["links"] = [{"href": notice.runbook, "text": "Runbook"}]
    return event


def _action(action: str, key: str) -> dict[str, Any]:
    return {"event_action": action, "dedup_key": _dedup_key(key)}


def _dedup_key(key: str) -> str:
    """The alert's key; one that is too long keeps its head and stays unique."""
    if len(key) <= _KEY_LENGTH_MAX:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: _KEY_LENGTH_MAX - len(digest) - 1]}:{digest}"


def _is_about_key(reply: Reply) -> bool:
    """Whether a 400 is about the routing key, which somebody may put right."""
    try:
        content = json.loads(reply.body)
    except ValueError:
        return False
    errors = content.get("errors") if isinstance(content, dict) else None
    return isinstance(errors, list) and any("routing" in str(error).lower() for error in errors)
