"""What is about to leave the house, from rows as they were stored."""

from datetime import UTC, datetime
from typing import Any

from payops.alerts.ports import Notice
from payops.alerts.service.delivering import notice_of
from payops.alerts.store.delivering import Claimed
from payops.kernel.ids import new_id

AT = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)


def left(**fields: Any) -> Notice:
    row = {
        "opened_by": new_id(),
        "notice_kind": "raised",
        "severity": "warning",
        "summary": "The rail does not answer.",
        "detail": {},
        "created_at": AT,
        "alert_id": new_id(),
        "key": "rail_down:lipana",
        "kind": "rail_down",
        "raised_at": AT,
    }
    return notice_of(Claimed(new_id(), 1, row | fields), None)


def test_what_was_stored_before_anybody_looked_is_cleaned_too() -> None:
    """Summary, key and detail, at every depth, by how they look and by what they are called."""
    notice = left(
        summary="Call 254700000012 or jane@betrix.example",
        key="call:0700000012",
        detail={
            "customer": "amina",
            "user_id": "usr_amina",
            "userId": "usr_amina",
            "tried": [{"note": "sk_live_abcdefghijkl"}, {"password": "hunter2"}],
        },
    )

    said = f"{notice.headline} {notice.key} {notice.facts}"
    for personal in ("700000012", "jane", "amina", "sk_live", "hunter2"):
        assert personal not in said


def test_ids_and_figures_stay_as_they_are() -> None:
    """They are what somebody needs to begin."""
    detail = {"withdrawal": "wd_01h455vb4pex5vsknk084sn02q", "amountMinor": 150_000, "ok": False}

    assert [
        ("withdrawal", "wd_01h455vb4pex5vsknk084sn02q"),
        ("amountMinor", "150000"),
        ("ok", "false"),
    ] == left(detail=detail).facts
