"""Posting JSON to a channel, and what its answer means for trying again."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from payops.alerts.ports import Failed
from payops.infra.http import CallFailed, HttpClient, Reply
from payops.providers.refusing import retry_after

_HEADERS: Final = {"content-type": "application/json", "accept": "application/json"}


async def post_json(http: HttpClient, url: str, content: Mapping[str, Any]) -> Reply | Failed:
    """The answer of whatever status, or that there was none."""
    try:
        return await http.request("POST", url, headers=_HEADERS, body=json.dumps(content).encode())
    except CallFailed as error:
        return Failed(f"{type(error).__name__}: {error}")


def failed(reply: Reply, now: datetime) -> Failed:
    """An answer that may be another one later."""
    return Failed(f"HTTP {reply.status}", retry_after=retry_after(reply, now))
