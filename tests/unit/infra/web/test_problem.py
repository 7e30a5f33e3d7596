"""Errors as problem documents."""

import json

import pytest

from payops.infra.web.problem import problem_body, problem_headers, status_of
from payops.kernel import errors
from payops.kernel.errors import Fault


class NoFunds(errors.Refused):
    code = "no_funds"
    title = "Nothing left"


class Verify(errors.TooMany):
    code = "verify"
    title = "Prove it"
    retryable = False
    extensions = {"verificationId": "ver_1", "status": 200}  # noqa: RUF012 - a test's own


def test_a_problem_says_what_happened_and_what_may_be_done() -> None:
    """All members of RFC 9457 and ours are there; no list of faults when there are none."""
    document = json.loads(problem_body(NoFunds(), "req_1"))

    expected = {
        "type": "/docs/errors#no_funds",
        "title": "Nothing left",
        "status": 422,
        "detail": "Nothing left",
        "code": "no_funds",
        "retryable": False,
        "requestId": "req_1",
    }
    assert expected == document


def test_faults_are_listed_with_their_pointers() -> None:
    """A validation problem says where."""
    error = errors.Invalid(faults=[Fault("/amountKES", "is required")])

    document = json.loads(problem_body(error, "req_1"))

    assert [{"pointer": "/amountKES", "detail": "is required"}] == document["errors"]


def test_an_error_may_carry_members_of_its_own() -> None:
    """They are added, and cannot replace the standard ones."""
    document = json.loads(problem_body(Verify("So many (3/hour)"), "req_1"))

    assert ("ver_1", 429, "So many (3/hour)") == (
        document["verificationId"],
        document["status"],
        document["detail"],
    )


@pytest.mark.parametrize(
    ("family", "status"),
    [
        (errors.Malformed, 400),
        (errors.Invalid, 422),
        (errors.Unauthenticated, 401),
        (errors.Forbidden, 403),
        (errors.NotFound, 404),
        (errors.Conflict, 409),
        (errors.Refused, 422),
        (errors.TooMany, 429),
        (errors.TooLarge, 413),
        (errors.Unavailable, 503),
        (errors.PayopsError, 500),
    ],
)
def test_a_family_has_one_status(family: type[errors.PayopsError], status: int) -> None:
    """The table covers every family, and a leaf takes its family's."""
    leaf = type("Leaf", (family,), {})

    assert (status, status) == (status_of(family()), status_of(leaf()))


def test_a_wait_is_stated_in_whole_seconds_and_never_zero() -> None:
    """``Retry-After: 0`` would be an invitation to a busy loop."""
    assert {"Retry-After": "1"} == problem_headers(errors.TooMany(retry_after_seconds=0))
    assert {"Retry-After": "90"} == problem_headers(errors.TooMany(retry_after_seconds=90))
