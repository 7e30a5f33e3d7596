"""Personal data in and out: sealed going in, recorded coming out, sealed anew, shredded."""

from payops.pii.service.erasing import Erasure, Finding, erase, survey
from payops.pii.service.opening import PersonalData, Sealed
from payops.pii.service.refreshing import KeyRefresh
from payops.pii.service.reporting import (
    INVARIANT_SQL,
    Recorded,
    Tally,
    access_report,
    accesses,
)
from payops.pii.service.rotating import Rotated, Rotation

__all__ = [
    "INVARIANT_SQL",
    "Erasure",
    "Finding",
    "KeyRefresh",
    "PersonalData",
    "Recorded",
    "Rotated",
    "Rotation",
    "Sealed",
    "Tally",
    "access_report",
    "accesses",
    "erase",
    "survey",
]
