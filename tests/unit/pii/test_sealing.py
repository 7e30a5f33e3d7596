"""Sealing and keyed hashing, without a database."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.kernel.ids import new_id
from payops.pii import sealing
from payops.pii.domain import Place
from payops.pii.errors import SealBroken, SealingKeyMissing
from payops.pii.sealing import BlindIndex, Fingerprints, KeyRing, Sealer, key_id_of, parse_key

K1, K2 = bytes(range(32)), bytes(range(32, 64))
PLACE = Place("withdrawals", "phone_sealed", "user-1", new_id())
SEALER = Sealer(KeyRing("k1", {"k1": K1}))


def text_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


@given(st.binary(max_size=200))
def test_what_was_sealed_opens(value: bytes) -> None:
    """At its place, a sealed value opens to what it was; it never contains it."""
    sealed = SEALER.seal(PLACE, value)

    assert value == SEALER.open(PLACE, sealed)
    assert len(value) < 4 or value not in sealed


def test_the_same_value_is_sealed_differently_each_time() -> None:
    """Equal values cannot be told from equal ciphertexts."""
    assert SEALER.seal(PLACE, b"same") != SEALER.seal(PLACE, b"same")


@pytest.mark.parametrize(
    "other",
    [
        replace(PLACE, table="webhooks"),
        replace(PLACE, column="body_sealed"),
        replace(PLACE, user_id="user-2"),
        replace(PLACE, row_id=new_id()),
        replace(PLACE, table="withdrawal", column="sphone_sealed"),
    ],
    ids=["table", "column", "user", "row", "shifted"],
)
def test_a_value_opens_at_no_other_place(other: Place) -> None:
    """Copying a sealed value to another row, column or user gives nothing away."""
    sealed = SEALER.seal(PLACE, b"value")

    with pytest.raises(SealBroken):
        SEALER.open(other, sealed)


def test_a_value_altered_in_any_byte_does_not_open() -> None:
    """Version, key id, nonce, ciphertext and tag are all authenticated or checked."""
    sealed = SEALER.seal(PLACE, b"value")

    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 1
        with pytest.raises((SealBroken, SealingKeyMissing)):
            SEALER.open(PLACE, bytes(altered))


def test_a_value_cut_or_lengthened_does_not_open() -> None:
    """No prefix of a sealed value is one."""
    sealed = SEALER.seal(PLACE, b"")

    for damaged in [sealed[:n] for n in range(len(sealed))] + [sealed + b"\0"]:
        with pytest.raises(SealBroken):
            SEALER.open(PLACE, damaged)


@given(st.binary(max_size=80))
def test_arbitrary_bytes_do_not_open(junk: bytes) -> None:
    """Garbage is refused in the same way, never with another error."""
    with pytest.raises((SealBroken, SealingKeyMissing)):
        SEALER.open(PLACE, junk)


def test_a_key_id_that_no_ring_can_have_is_a_broken_seal() -> None:
    """A damaged key id is not taken for a missing key, and is not repeated in an error."""
    sealed = b"\x01\x02\xff\n" + bytes(28)

    with pytest.raises(SealBroken, match="not a sealed value"):
        key_id_of(sealed)


def test_an_error_says_nothing_of_the_value_or_the_user() -> None:
    """The text may be logged."""
    sealed = SEALER.seal(PLACE, b"254700000012")

    with pytest.raises(SealBroken) as caught:
        SEALER.open(replace(PLACE, column="other"), sealed)

    assert f"withdrawals.other of row {PLACE.row_id}" == str(caught.value)


def test_old_keys_open_and_the_first_one_seals() -> None:
    """Rotation: add the new key in front, reseal, take the old one away."""
    old = Sealer(KeyRing("k1", {"k1": K1}))
    both = Sealer(KeyRing("k2", {"k2": K2, "k1": K1}))
    new = Sealer(KeyRing("k2", {"k2": K2}))
    sealed = old.seal(PLACE, b"value")

    assert b"value" == both.open(PLACE, sealed)
    assert "k1" == key_id_of(sealed)
    resealed = both.seal(PLACE, b"value")
    assert "k2" == key_id_of(resealed)
    assert b"value" == new.open(PLACE, resealed)


def test_a_missing_key_is_named() -> None:
    """Operations learn which key to put back."""
    sealed = SEALER.seal(PLACE, b"value")

    with pytest.raises(SealingKeyMissing, match="sealing key k1 is not in PAYOPS_PII__KEYS"):
        Sealer(KeyRing("k2", {"k2": K2})).open(PLACE, sealed)


def test_another_key_under_the_same_id_does_not_open() -> None:
    """A mix-up of keys is a broken seal, not a wrong value."""
    sealed = SEALER.seal(PLACE, b"value")

    with pytest.raises(SealBroken):
        Sealer(KeyRing("k1", {"k1": K2})).open(PLACE, sealed)


def test_a_ring_is_read_in_order() -> None:
    """The first key is primary; spaces around an entry do not matter."""
    ring = KeyRing.parse(f"k2:{text_of(K2)}, k1:{text_of(K1)}")

    assert KeyRing("k2", {"k2": K2, "k1": K1}) == ring


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "PAYOPS_PII__KEYS: key 1 is not written as id:BASE64"),
        (text_of(K1), "PAYOPS_PII__KEYS: key 1 is not written as id:BASE64"),
        (f"k1:{text_of(K1)},", "PAYOPS_PII__KEYS: key 2 is not written as id:BASE64"),
        (f"k 1:{text_of(K1)}", "PAYOPS_PII__KEYS: key 1 is not written as id:BASE64"),
        (f"k1:{text_of(K1)},k1:{text_of(K2)}", "PAYOPS_PII__KEYS: key id k1 occurs twice"),
        ("k1:%%%%", "PAYOPS_PII__KEYS: key k1 is not standard base64"),
        (f"k1:{text_of(K1)[:-1]}", "PAYOPS_PII__KEYS: key k1 is not standard base64"),
        (f"k1:{text_of(b'_' * 31)}", "PAYOPS_PII__KEYS: key k1 has 31 bytes, not 32"),
    ],
)
def test_a_ring_written_otherwise_is_refused_without_showing_a_key(text: str, message: str) -> None:
    """The message names the variable and the key id, and nothing of a key."""
    with pytest.raises(ValueError, match="PAYOPS_PII__KEYS") as caught:
        KeyRing.parse(text)

    assert message == str(caught.value)


def test_a_ring_does_not_show_its_keys() -> None:
    """A repr may end up in a traceback."""
    assert "KeyRing(primary='k1')" == repr(KeyRing("k1", {"k1": K1}))


def test_the_index_key_is_named_when_it_is_wrong() -> None:
    """Each variable has its own name in its message."""
    with pytest.raises(ValueError, match="PAYOPS_PII__INDEX_KEY has 3 bytes, not 32"):
        parse_key("AAAA")


def test_an_index_finds_equal_values_of_one_purpose() -> None:
    """Same key, purpose and value: same 18 bytes; otherwise others."""
    index = BlindIndex(K1)

    assert index.of("phone", b"x") == BlindIndex(K1).of("phone", b"x")
    distinct = {
        index.of("phone", b"x"),
        index.of("phone", b"y"),
        index.of("receipt", b"x"),
        BlindIndex(K2).of("phone", b"x"),
        Fingerprints(K1).of("phone", b"x")[:18],
    }
    assert (5, {18}) == (len(distinct), {len(value) for value in distinct})


def test_a_fingerprint_knows_where_its_parts_are_cut() -> None:
    """Method and path, or id and status, cannot be shifted into each other."""
    fingerprints = Fingerprints(K1)

    assert 32 == len(fingerprints.of("request", b"a", b"b"))
    assert fingerprints.of("request", b"ab", b"c") != fingerprints.of("request", b"a", b"bc")
    assert fingerprints.of("request", b"a") != fingerprints.of("webhook", b"a")


def test_a_short_key_is_refused() -> None:
    """Even when it did not come from the settings."""
    with pytest.raises(ValueError, match="a key has 32 bytes, not 3"):
        BlindIndex(b"abc")


def test_no_key_is_derived_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first value of a column pays for its key, no other one does."""
    sealer, index = Sealer(KeyRing("k1", {"k1": K1})), BlindIndex(K1, previous=K2)
    sealer.open(PLACE, sealer.seal(PLACE, b"x"))
    index.all_of("phone", b"x")

    def forbidden(*_: object) -> bytes:
        raise AssertionError("derived again")

    monkeypatch.setattr(sealing, "_derive", forbidden)

    for number in range(100):
        place = replace(PLACE, user_id=f"user-{number}", row_id=new_id())
        assert b"y" == sealer.open(place, sealer.seal(place, b"y"))
        index.all_of("phone", b"%d" % number)
