"""Alerts as messages in a Slack channel.

An incoming webhook has no way to recognise a copy: after a lost answer a message may stand
there twice.
"""

from typing import Any, Final

from payops.alerts.ports import Delivered, Delivery, Failed, Notice, Refused
from payops.infra.http import HttpClient, checked_base_url
from payops.kernel.clock import Clock, SystemClock
from payops.providers.posting import failed, post_json

_TEXT_LENGTH_MAX: Final = 1_000  # Slack's limits, with room for what escaping adds
_FIELD_LENGTH_MAX: Final = 300
_FIELDS_MAX: Final = 10


class SlackNotifier:
    """``webhook_url`` is a secret: whoever has it can post. It is never logged.

    Raises:
        ValueError: it cannot be used; the text does not repeat it.
    """

    name = "slack"

    def __init__(
        self, http: HttpClient, *, webhook_url: str, source: str, clock: Clock | None = None
    ) -> None:
        self._http = http
        self._url = checked_base_url(webhook_url)
        self._source = source
        self._clock = clock or SystemClock()

    async def deliver(self, notice: Notice) -> Delivery:
        reply = await post_json(self._http, self._url, message_of(notice, self._source))
        if isinstance(reply, Failed):
            return reply
        if reply.status == 200:
            return Delivered()
        # 400 is about this message. 403, 404 and 410 are about the webhook or its channel,
        # which somebody may put right while the message waits.
        if reply.status == 400:
            return Refused("HTTP 400")
        return failed(reply, self._clock.now())


def message_of(notice: Notice, source: str) -> dict[str, Any]:
    """What is posted: blocks for the channel, ``text`` for the notification on a telephone."""
    label = f"[{notice.severity.value}] "
    headline = escaped(notice.headline, _TEXT_LENGTH_MAX)
    about = [escaped(source), escaped(notice.alert_kind), escaped(notice.alert_id)]
    about.append(f"raised {notice.raised_at:%Y-%m-%d %H:%M:%S} UTC")
    if notice.runbook:
        is_link = notice.runbook.startswith(("http://", "https://"))
        page = escaped(notice.runbook)
        about.append(f"<{page}|Runbook>" if is_link else f"Runbook {page}")
    blocks: list[dict[str, Any]] = [_section(f"*{label}*{headline}")]
    fields = [
        {
            "type": "mrkdwn",
            "text": f"*{escaped(name, _FIELD_LENGTH_MAX)}*\n{escaped(text, _FIELD_LENGTH_MAX)}",
        }
        for name, text in notice.facts[:_FIELDS_MAX]
    ]
    if fields:
        blocks.append({"type": "section", "fields": fields})
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(about)}]})
    return {"text": f"{label}{headline}", "blocks": blocks}


def escaped(text: str, length_max: int = _FIELD_LENGTH_MAX) -> str:
    """``text`` as Slack shows it and never reads it: no link, no mention, no channel call."""
    cut = text if len(text) <= length_max else f"{text[: length_max - 1]}…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}
