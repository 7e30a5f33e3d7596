"""Devices and networks: which are known, which are first, and what hides them."""

from uuid import UUID

import pytest

from payops.fraud.domain.assessing import Ask, Assessor, View
from payops.fraud.domain.blocks import Block
from payops.fraud.domain.devices import (
    DeviceRules,
    FirstUse,
    Origin,
    Policy,
    Seen,
    Standing,
    look,
)
from payops.fraud.domain.velocity import RuleSet
from payops.fraud.errors import UnusualActivity, UserBlocked
from payops.fraud.service.devices import Devices
from payops.kernel.ids import new_id
from payops.pii.sealing import Fingerprints
from tests.support.velocity import NOON, RULES, done

PHONE_A, PHONE_B = Origin(b"a" * 32, b"n" * 32), Origin(b"b" * 32, b"n" * 32)
KNOWN = Standing(has_devices=True, device_id=new_id(), is_network_known=True)


@pytest.mark.parametrize(
    ("standing", "origin", "seen"),
    [
        (Standing(), PHONE_A, Seen.FIRST),
        (Standing(), Origin(), Seen.FIRST),
        (Standing(has_devices=True), PHONE_A, Seen.DEVICE_UNKNOWN),
        (Standing(has_devices=True, is_network_known=True), PHONE_A, Seen.DEVICE_UNKNOWN),
        (Standing(has_devices=True, is_network_known=True), Origin(), Seen.FINGERPRINT_MISSING),
        (Standing(has_devices=True, device_id=new_id()), PHONE_A, Seen.NETWORK_UNKNOWN),
        (KNOWN, PHONE_A, Seen.KNOWN),
    ],
)
def test_what_a_look_finds(standing: Standing, origin: Origin, seen: Seen) -> None:
    """First means: never had a device, not even one that was removed."""
    assert seen is look(standing, origin, FirstUse.TRUST)


@pytest.mark.parametrize("origin", [PHONE_A, Origin()])
def test_the_first_is_asked_for_too_if_so_decided(origin: Origin) -> None:
    """Policy ``verify``."""
    assert look(Standing(), origin, FirstUse.VERIFY).is_unusual


def assessor(
    asks: list[Ask],
    standings: list[Standing],
    *,
    policy: Policy = Policy.ENFORCE,
    blocks: dict[str, Block] | None = None,
    rules: RuleSet = RULES,
) -> Assessor:
    view = View(NOON, rules, blocks or {}, standings)
    return Assessor(
        asks, view, of_users={}, of_recipients={}, policy=policy, first_use=FirstUse.TRUST
    )


def test_of_two_first_devices_in_a_batch_one_is_first() -> None:
    """The second sees what the first has made known; the same device again is known."""
    asks = [Ask("u", origin=PHONE_A), Ask("u", origin=PHONE_B), Ask("u", origin=PHONE_A)]
    checks = assessor(asks, [Standing()] * 3)

    first = checks.check(0, 100)
    checks.accept(0, 100, first)
    others = [checks.check(1, 100), checks.check(2, 100)]

    assert [Seen.FIRST, Seen.DEVICE_UNKNOWN, Seen.KNOWN] == [one.seen for one in (first, *others)]
    assert first.device_id == others[1].device_id
    assert [PHONE_A] == [learnt.origin for learnt in checks.first_devices]


def test_a_refused_request_makes_no_device_known() -> None:
    """What was checked and not accepted leaves the next one to be first."""
    checks = assessor([Ask("u", origin=PHONE_A), Ask("u", origin=PHONE_B)], [Standing()] * 2)

    assert [Seen.FIRST, Seen.FIRST] == [checks.check(n, 100).seen for n in range(2)]
    assert [] == checks.first_devices


def test_refusals_come_in_order() -> None:
    """Blocked, then velocity, then device."""
    block = Block("u", new_id(), "why", "person:x", NOON)
    ask = [Ask("u", origin=PHONE_A)]
    strange = [Standing(has_devices=True)]
    full = Assessor(
        ask,
        View(NOON, RULES, {}, strange),
        of_users={"u": done(1, 2, 3)},
        of_recipients={},
        policy=Policy.ENFORCE,
        first_use=FirstUse.TRUST,
    )

    assert isinstance(assessor(ask, strange, blocks={"u": block}).check(0, 1).refusal, UserBlocked)
    assert "velocity_limit_exceeded" == getattr(full.check(0, 1).refusal, "code", "")
    assert isinstance(assessor(ask, strange).check(0, 1).refusal, UnusualActivity)


@pytest.mark.parametrize(
    ("policy", "seen"), [(Policy.MONITOR, Seen.DEVICE_UNKNOWN), (Policy.OFF, None)]
)
def test_monitoring_sees_and_lets_pass(policy: Policy, seen: Seen | None) -> None:
    """And when it is off, nothing is looked at."""
    checks = assessor([Ask("u", origin=PHONE_A)], [Standing(has_devices=True)], policy=policy)

    found = checks.check(0, 100)

    assert (None, seen) == (found.refusal, found.seen)


def devices(**rules: int) -> Devices:
    return Devices(
        DeviceRules(**rules),  # type: ignore[arg-type]
        fingerprints=Fingerprints(b"k" * 32),
        personal_data=None,  # type: ignore[arg-type]  # nothing is sealed here
        channels=frozenset(),
        shows_code=True,
    )


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("198.51.100.7", "198.51.100.250", True),
        ("198.51.100.7", "198.51.101.7", False),
        ("2001:db8:1:2::1", "2001:db8:1:3::9", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
        ("::ffff:198.51.100.9", "198.51.100.7", True),
        ("", "198.51.100.7", False),
    ],
)
def test_networks_are_compared_by_their_prefix(
    one: str,
    other: str,
    alike: bool,  # noqa: FBT001 - one column of the table
) -> None:
    """A /24, and a /48 for IPv6: mobile addresses change all the time."""
    known = devices()

    assert alike is (
        known.origin(None, one, None).network == known.origin(None, other, None).network
    )


def test_a_prefix_of_all_bits_is_exact() -> None:
    """Configurable."""
    known = devices(ipv4_prefix=32)
    networks = {known.origin(None, f"198.51.100.{n}", None).network for n in (7, 8)}

    assert 2 == len(networks)


def test_fingerprints_are_hashed_with_a_key() -> None:
    """What is kept says nothing; empty and missing are the same."""
    given = devices().origin("device-1", "", None).fingerprint

    assert 32 == len(given)
    assert b"device-1" not in given
    assert (
        given
        != Devices(
            DeviceRules(),
            fingerprints=Fingerprints(b"q" * 32),
            personal_data=None,  # type: ignore[arg-type]
            channels=frozenset(),
            shows_code=False,
        )
        .origin("device-1", "", None)
        .fingerprint
    )
    assert b"" == devices().origin("  ", "", None).fingerprint


def test_a_code_is_six_digits_of_one_verification() -> None:
    """The same when asked again; others for another verification, user or key."""
    one, other = new_id(), new_id()
    code = devices().code_of("u", one)

    assert (6, True) == (len(code), code.isdecimal())
    assert code == devices().code_of("u", one)
    assert 1 < len({code, devices().code_of("u", other), devices().code_of("v", one)})


def test_codes_use_all_digits() -> None:
    """No digit is rarer than chance makes it: leading zeros stay."""
    codes = [devices().code_of("u", UUID(int=n)) for n in range(3_000)]
    firsts = {digit: sum(code[0] == digit for code in codes) for digit in "0123456789"}

    assert 200 < min(firsts.values()) <= max(firsts.values()) < 400
