"""The families of errors raised on purpose.

A family says what the caller may do next; a leaf, defined beside the rule it belongs to,
says what happened. Only ``infra.web.problem`` knows which HTTP status a family becomes.

    PayopsError
    ├── Malformed           not readable as a request at all
    ├── Invalid             readable, but a field is wrong
    ├── Unauthenticated     we do not know who asks
    ├── Forbidden           we know, and they may not
    ├── NotFound            there is no such thing, or it is not theirs
    ├── Conflict            true at another time or for another body
    ├── Refused             a business rule said no
    ├── TooMany             the same request may pass later
    ├── TooLarge            more bytes than we read
    ├── Unavailable         our side cannot, for now
    └── BadUpstream         a provider answered, and not in a way that can be used
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: a JSON pointer and words that never echo the input."""

    pointer: str
    detail: str


class PayopsError(Exception):
    """Base of every error raised on purpose; its text is safe to show to a client."""

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "The request could not be completed"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_seconds: int | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        super().__init__(detail or self.title)
        self.retry_after_seconds = retry_after_seconds
        self.faults = tuple(faults)


class Malformed(PayopsError):
    """The bytes are not a request: no retry will make them one."""

    code = "malformed_request"
    title = "The request could not be read"


class Invalid(PayopsError):
    """A field is missing, unknown, of the wrong type or out of its range."""

    code = "validation_failed"
    title = "The request is not valid"


class Unauthenticated(PayopsError):
    code = "unauthenticated"
    title = "Valid credentials are required"


class Forbidden(PayopsError):
    code = "forbidden"
    title = "These credentials do not allow this"


class NotFound(PayopsError):
    code = "not_found"
    title = "There is no such thing"


class Conflict(PayopsError):
    code = "conflict"
    title = "The request conflicts with the current state"


class Refused(PayopsError):
    """A business rule said no. Sending the same request again will not help."""

    code = "refused"
    title = "The request was refused"


class TooMany(PayopsError):
    code = "too_many_requests"
    title = "Too many requests"
    retryable = True


class TooLarge(PayopsError):
    code = "body_too_large"
    title = "The request body is too large"


class Unavailable(PayopsError):
    code = "unavailable"
    title = "The service cannot answer this now"
    retryable = True


class BadUpstream(PayopsError):
    """A provider answered, and not in a way that can be used. Asking again may help."""

    code = "bad_upstream"
    title = "A provider's answer could not be used"
    retryable = True
