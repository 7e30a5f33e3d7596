"""Principals, whom they act for, and the text of keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.access.domain import (
    END_USER_SCOPES,
    Kind,
    Principal,
    Scope,
    acting_for,
    end_user,
    is_key_text,
    is_user_id,
    key_hash,
    looks_like_key,
    new_key_text,
)
from payops.access.errors import OtherUser
from payops.kernel.errors import Fault, Invalid

BACK_END = Principal(Kind.KEY, "key_1", "betrix", frozenset({Scope.WITHDRAWALS_WRITE}))


def test_a_user_acts_for_itself_whether_it_says_so_or_not() -> None:
    """The user id may be left out of a request with a user's token."""
    amina = end_user("amina")

    assert "amina" == acting_for(amina, None) == acting_for(amina, "amina")


@pytest.mark.parametrize("other", ["brian", "", "Amina", "amina "])
def test_a_user_never_acts_for_another(other: str) -> None:
    """Naming somebody else is forbidden, not ignored."""
    with pytest.raises(OtherUser):
        acting_for(end_user("amina"), other)


def test_a_key_names_the_user() -> None:
    """A back end acts for the user its request names."""
    assert "amina" == acting_for(BACK_END, "amina")


@pytest.mark.parametrize("named", [None, "", "@house", "a b", "a" * 65, "-a", "a\n", "é"])
def test_a_key_must_name_somebody_who_can_exist(named: str | None) -> None:
    """Nobody, and what is no user id, is a fault of the named field."""
    with pytest.raises(Invalid) as refused:
        acting_for(BACK_END, named, pointer="/query/userId")

    assert ["/query/userId"] == [fault.pointer for fault in refused.value.faults]
    assert isinstance(refused.value.faults[0], Fault)


@pytest.mark.parametrize("text", ["u1", "0", "a" * 64, "auth0|65f.a_b-c:d"])
def test_user_ids_of_identity_providers_fit(text: str) -> None:
    """Letters, digits and the separators that providers use."""
    assert is_user_id(text)


def test_an_end_user_cannot_credit_a_wallet_or_operate() -> None:
    """The fixed scopes of users hold nothing that makes money or reads of others."""
    assert not END_USER_SCOPES & {
        Scope.WALLETS_WRITE,
        Scope.OPS_READ,
        Scope.OPS_WRITE,
        Scope.OPS_APPROVE,
        Scope.PII_READ,
        Scope.AUDIT_READ,
    }


def test_a_user_and_a_key_of_the_same_id_are_two_callers() -> None:
    """The caller says what kind it is, so that idempotency keys cannot be shared."""
    assert ("user:key_1", "key:key_1") == (end_user("key_1").caller, BACK_END.caller)


def test_an_e_mail_address_is_not_in_the_representation() -> None:
    """A principal may be logged by mistake."""
    assert "@" not in repr(end_user("amina", "amina@example.org"))


def test_new_keys_are_recognisable_and_all_different() -> None:
    """The prefix says where a key works; the rest is 43 letters and digits."""
    keys = {new_key_text(live=False) for _ in range(100)}

    assert 100 == len(keys) == len({key_hash(key) for key in keys})
    assert all(is_key_text(key) and looks_like_key(key) for key in keys)
    assert new_key_text(live=True).startswith("sk_live_")


@given(st.text(max_size=60))
def test_other_text_is_no_key(text: str) -> None:
    """Only the exact form is looked up at all."""
    assert not is_key_text(f"sk_test_{text}") or 43 == len(text)
    assert not is_key_text(f"{new_key_text(live=False)}\n")
