"""What Pydantic found wrong, in our words: made from the kind of error, never from its text.

Pydantic's own messages may quote the input, and so may what a validator raised. Only the
kind, the limits we set ourselves and the place are used here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic_core import PydanticCustomError

from payops.kernel.errors import Fault

FAULTS_MAX: Final = 20

# The kind of a fault whose words are ours (``stated``): safe to show as they are.
_STATED: Final = "payops_stated"

_WORDS: Final[Mapping[str, str]] = {
    "amount_not_whole_shillings": "must be in whole shillings",
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode",
    "string_pattern_mismatch": "has characters or a form that is not accepted",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "int_parsing": "must be an integer",
    "int_parsing_size": "is too large",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be an array",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "datetime_from_date_parsing": "must be an RFC 3339 time",
    "datetime_parsing": "must be an RFC 3339 time",
    "datetime_type": "must be an RFC 3339 time",
    "timezone_aware": "must have a time zone",
    "date_from_datetime_parsing": "must be a date",
    "date_parsing": "must be a date",
    "date_type": "must be a date",
    "uuid_parsing": "must be a UUID",
    "uuid_type": "must be a UUID",
}
_OTHERWISE: Final = "is not valid"

# An unknown field's name is input as well: it is shown only when it looks like one.
_FIELD_NAME: Final = re.compile(r"(?!.*[0-9]{4})[A-Za-z_][A-Za-z0-9_-]{0,39}", re.ASCII)


def stated(words: str) -> PydanticCustomError:
    """An error for a validator to raise; ``words`` are shown, so they never hold the value."""
    return PydanticCustomError(_STATED, "{words}", {"words": words})


def faults_of(found: Iterable[Mapping[str, Any]]) -> tuple[Fault, ...]:
    """The first ``FAULTS_MAX`` of what Pydantic or FastAPI reported."""
    return tuple(_fault(error) for error, _ in zip(found, range(FAULTS_MAX), strict=False))


def _fault(error: Mapping[str, Any]) -> Fault:
    kind: str = error["type"]
    context: Mapping[str, Any] = error.get("ctx") or {}
    if kind == _STATED:
        return Fault(pointer_of(error["loc"]), context["words"])
    try:
        detail = _WORDS.get(kind, _OTHERWISE).format_map(context)
    except KeyError:
        detail = _OTHERWISE
    return Fault(pointer_of(error["loc"]), detail)


def pointer_of(location: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901) into the body; ``/query/…``, ``/path/…`` for parameters."""
    parts = location[1:] if location and location[0] == "body" else location
    return "".join(f"/{_shown(part)}" for part in parts)


def _shown(part: str | int) -> str:
    if isinstance(part, int):
        return str(part)
    return part if _FIELD_NAME.fullmatch(part) else "?"
