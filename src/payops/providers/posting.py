"""Posting JSON to a channel, and what its answer means for trying again."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from payops.alerts.ports import Failed
from payops.infra.http import CallFailed, HttpClient, Reply

RETRY_AFTER_MAX: Final = timedelta(hours=1)

_HEADERS: Final = {"content-type": "application/json", "accept": "application/json"}
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


async def post_json(http: HttpClient, url: str, content: Mapping[str, Any]) -> Reply | Failed:
    """The answer of whatever status, or that there was none."""
    try:
        return await http.request("POST", url, headers=_HEADERS, body=json.dumps(content).encode())
    except CallFailed as error:
        return Failed(f"{type(error).__name__}: {error}")


def failed(reply: Reply, now: datetime) -> Failed:
    """An answer that may be another one later."""
    return Failed(f"HTTP {reply.status}", retry_after=_retry_after(reply, now))


def _retry_after(reply: Reply, now: datetime) -> timedelta | None:
    """Seconds or a date, at most ``RETRY_AFTER_MAX``; whatever else is there is not believed."""
    text = reply.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return min(timedelta(seconds=int(text)), RETRY_AFTER_MAX)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return max(timedelta(), min(wait, RETRY_AFTER_MAX))
