"""Blind indexes under two keys at once, and key material as it is read."""

from collections.abc import Mapping
from typing import Any

import pytest

from payops.pii.domain import KeyMaterial
from payops.pii.sealing import INDEX_BYTES, TAG_BYTES, BlindIndex, Keys
from tests.support.sealing import K1, K2, K3, material, text_of

VALUE = b"254700000012"


def test_what_is_written_is_of_the_new_key_and_what_is_sought_of_both() -> None:
    """While index keys are rotated a search finds rows written before and after."""
    old, both, new = BlindIndex(K1), BlindIndex(K2, previous=K1), BlindIndex(K2)

    assert both.of("phone", VALUE) == new.of("phone", VALUE) != old.of("phone", VALUE)
    assert {old.of("phone", VALUE), new.of("phone", VALUE)} <= set(both.all_of("phone", VALUE))
    assert (both.of("phone", VALUE), old.of("phone", VALUE)) == both.tagged("phone", VALUE)


def test_an_index_says_which_key_it_was_made_with() -> None:
    """So that rotation knows what is done without opening a value."""
    old, both = BlindIndex(K1), BlindIndex(K2, previous=K1)

    assert INDEX_BYTES == len(both.of("phone", VALUE))
    assert both.tag == both.of("phone", VALUE)[:TAG_BYTES]
    assert both.tag != old.of("phone", VALUE)[:TAG_BYTES]


def test_an_index_from_before_there_were_tags_is_found() -> None:
    """Rows of the version that knew one key only are sought without a tag."""
    index = BlindIndex(K1)
    untagged = index.of("phone", VALUE)[TAG_BYTES:]

    assert untagged in index.all_of("phone", VALUE)
    assert index.matches("phone", VALUE, untagged)


def test_an_index_matches_its_value_under_either_key_and_no_other() -> None:
    """A callback's number is held against a row that was written under the previous key."""
    old, both, new = BlindIndex(K1), BlindIndex(K2, previous=K1), BlindIndex(K2)
    stored = old.of("phone", VALUE)

    assert both.matches("phone", VALUE, stored)
    assert not new.matches("phone", VALUE, stored)
    assert not both.matches("phone", b"254700000013", stored)
    assert not both.matches("phone", VALUE, b"")


def test_two_keys_that_look_alike_are_refused() -> None:
    """The same key twice is no rotation: nobody could tell what is done."""
    with pytest.raises(ValueError, match="look alike"):
        BlindIndex(K1, previous=K1)


def test_the_index_key_is_not_rotated_before_fingerprints_have_their_own() -> None:
    """Otherwise every repeat of an earlier request would be refused as another request."""
    given = KeyMaterial(f"k1:{text_of(K1)}", text_of(K2), index_key_previous=text_of(K3))

    with pytest.raises(ValueError, match="PAYOPS_PII__FINGERPRINT_KEY is not set"):
        Keys.of(given)


def test_fingerprints_stay_the_same_while_the_index_key_changes() -> None:
    """A request that is repeated after the rotation is known to be the same."""
    before = Keys.of(material(index=K1))
    after = Keys.of(material(index=K2, previous=K1))

    assert before.fingerprints.of("idempotency", b"x") == after.fingerprints.of("idempotency", b"x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "keys and index_key missing in Vault"),
        ({"keys": "k1:x"}, "index_key missing in Vault"),
        ({"keys": "", "index_key": "x"}, "keys missing in Vault"),
        ({"keys": 1, "index_key": "x"}, "keys in Vault is not a text"),
    ],
)
def test_material_that_is_incomplete_is_named(values: Mapping[str, Any], message: str) -> None:
    """The text says which key is missing where, and nothing of the others."""
    with pytest.raises(ValueError, match=message) as caught:
        KeyMaterial.read(values, "Vault")

    assert message == str(caught.value)


def test_keys_that_cannot_be_used_are_named_by_where_they_are_kept() -> None:
    """An operator knows what to mend: the variable, or the field in Vault."""
    with pytest.raises(ValueError, match="index_key in Vault is not standard base64"):
        Keys.of(KeyMaterial(f"k1:{text_of(K1)}", "%%%", source="Vault"))
    with pytest.raises(ValueError, match="keys in Vault: key 1 is not written as id:BASE64"):
        Keys.of(KeyMaterial("nonsense", text_of(K1), source="Vault"))


def test_material_and_keys_do_not_show_themselves() -> None:
    """A repr may end up in a traceback."""
    given = material()

    shown = repr(given) + repr(Keys.of(given))

    assert [] == [key for key in (K1, K2) if text_of(key) in shown or repr(key) in shown]
