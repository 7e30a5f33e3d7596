"""The machine of deposits finds nothing wrong, and finds what is planted."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from payops.deposits.domain.invoices import Payment
from payops.deposits.domain.states import State
from payops.deposits.domain.valuation import Quote
from payops.deposits.ports import Snapshot
from payops.deposits.service import crediting, deciding
from payops.deposits.service.case import Case, Policy
from tests.properties.deposit_machine import DepositMachine
from tests.properties.deposit_model import MARKET_USD, QUOTED_UNTIL, SEEN, World
from tests.support.mint import Mint
from tests.support.till import open_till

pytestmark = pytest.mark.no_cover  # a thousand steps over the same lines, at half the speed
EXAMPLES: Final = 14
PLANTED_EXAMPLES_MAX: Final = 80  # the first that meets the fault is the last
STEPS: Final = 35


def explore(url: str, examples: int = EXAMPLES) -> None:
    """Run the machine against the database at ``url``."""
    SEEN.clear()
    mint = Mint(usd_per_coin=Decimal(MARKET_USD), quote_expires_at=QUOTED_UNTIL)
    with asyncio.Runner() as runner:
        opened = [open_till(url, mint, {"crypto": {"breaker_failures": 10_000}}) for _ in range(2)]
        one, other = (runner.run(one.__aenter__()) for one in opened)
        DepositMachine.world = World(runner, (one, other))
        try:
            run_state_machine_as_test(
                DepositMachine,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=STEPS,
                    derandomize=True,
                    database=None,
                    report_multiple_bugs=False,
                    phases=[Phase.generate],  # shrinking would take minutes, and says no more
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            for till in opened:
                runner.run(till.__aexit__(None, None, None))


def test_no_order_of_events_credits_anything_else(url: str) -> None:
    """
    Openings, arrivals, children, lies, failed reads, crashes and races of replicas, at random.
    """
    explore(url)

    assert set(SEEN) >= {"credited", "reversed", "review", "seen", "quote", "market"}, SEEN


def _credits_the_price(patch: pytest.MonkeyPatch) -> None:
    """Dust at the parent's price is the main way to be robbed."""
    patch.setattr(crediting, "pro_rata", lambda price, _, __: price)


def _credits_whatever_comes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(crediting, "_doubt", lambda _, __, ___: None)


def _honours_an_expired_quote(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Quote, "covers", lambda _, __: True)


def _believes_the_provider_about_an_older_state(patch: pytest.MonkeyPatch) -> None:
    """A credit is then lost: what settled goes back to confirming, and stays."""
    patch.setattr(deciding, "advance", lambda _, seen: min(seen, State.CONFIRMING))


def _begins_a_quote_when_it_is_heard_of(patch: pytest.MonkeyPatch) -> None:
    """The payer of a page then chooses, days later, whether to take it."""
    learned = deciding._learned

    def heard(case: Case, payment: Payment, seen: Snapshot, policy: Policy) -> Payment:
        found = learned(case, payment, replace(seen, opened_at=None), policy)
        until = found.quote_expires_at or payment.created_at + policy.quote_lasts
        return replace(found, quote_expires_at=until)

    patch.setattr(deciding, "_learned", heard)


def _rests_when_it_settled_without_money(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deciding, "_lacks_amount", lambda _, __, ___: False)


def _forgets_what_people_decided(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(crediting, "is_decided", lambda _, __: False)


def _credits_in_spite_of_a_contradiction(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(crediting, "is_mismatch", lambda _: False)


@pytest.mark.parametrize(
    "plant",
    [
        _credits_the_price,
        _credits_whatever_comes,
        _honours_an_expired_quote,
        _believes_the_provider_about_an_older_state,
        _begins_a_quote_when_it_is_heard_of,
        _rests_when_it_settled_without_money,
        _forgets_what_people_decided,
        _credits_in_spite_of_a_contradiction,
    ],
)
def test_the_machine_finds(
    plant: Callable[[pytest.MonkeyPatch], None], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A fault planted in the rules is met by some order of events.
    """
    plant(monkeypatch)

    with pytest.raises(AssertionError):
        explore(url, PLANTED_EXAMPLES_MAX)
