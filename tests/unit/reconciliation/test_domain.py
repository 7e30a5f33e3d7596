"""What a run of questions reports."""

from payops.reconciliation.domain import Tally


def test_a_tally_is_written_under_its_own_names() -> None:
    """The document that the command line and the job's history show."""
    tally = Tally(checked=10, completed=4, failed=3, unresolved=2, errors=1)

    assert {
        "checked": 10,
        "completed": 4,
        "failed": 3,
        "unresolved": 2,
        "errors": 1,
    } == tally.as_json()
