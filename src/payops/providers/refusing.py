"""What the status and the headers of a provider's refusal say, whoever it is from."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from payops.infra.http import Reply

RETRY_AFTER_MAX: Final = timedelta(hours=1)

CREDENTIAL: Final = frozenset({401, 403})
# Request timeout, conflict, too early, too many: turned away for now, or perhaps not at all.
_NOT_A_DECISION = frozenset({408, 409, 425, 429})
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


def is_decision(status: int) -> bool:
    """Whether what was asked for is refused for good, if the body says so too."""
    return 400 <= status < 500 and status not in _NOT_A_DECISION


def retry_after(reply: Reply, now: datetime) -> timedelta | None:
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
