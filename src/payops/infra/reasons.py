"""Why somebody did something, in their own words: bounded, and fit to be kept for ever."""

from typing import Final

from payops.infra.logging.redaction import clean_text
from payops.kernel.errors import Fault, Invalid

REASON_LENGTH_MAX: Final = 500


def kept_reason(typed: str) -> str:
    """``typed`` as it may be kept: one line, without the phone numbers and secrets people put in.

    Raises:
        Invalid: it says nothing, or too much.
    """
    line = " ".join(typed.split())
    if not 1 <= len(line) <= REASON_LENGTH_MAX:
        raise Invalid(faults=[Fault("/reason", f"is 1 to {REASON_LENGTH_MAX} characters")])
    return clean_text(line)
