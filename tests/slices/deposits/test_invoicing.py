"""An invoice: who makes it, at which price, what is shown, and what a repeat gets."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from payops.deposits.domain.invoices import Checkout, Kind
from payops.deposits.domain.states import State
from payops.deposits.errors import (
    DepositsHalted,
    ProviderFailed,
    ProviderUnavailable,
    RateUnavailable,
)
from payops.deposits.ports import (
    AnswerLost,
    CredentialRefused,
    Intent,
    NotDelivered,
    OpenAnswer,
    Opened,
    Reason,
    Refused,
    Snapshot,
)
from payops.deposits.service import rates
from payops.idempotency.errors import InProgress, KeyReused
from payops.kernel.errors import PayopsError
from payops.switches import service as switches
from tests.support.mint import ADDRESSES
from tests.support.till import OpenTill, Till, body_of


async def test_an_invoice_shows_where_to_pay_and_how_much(till: Till) -> None:
    """Address, network, amount and the end of the quote, and the id to ask for it by."""
    answer = await till.asks_for("20.00")
    shown = body_of(answer)
    assert 201 == answer.status
    assert f"/api/crypto/invoices/{shown['invoiceId']}" == answer.headers["Location"]
    assert {"amount": "20.00", "currency": "USD"} == shown["price"]
    assert ("BTC", "bitcoin", "0.02000000") == (
        shown["payCurrency"],
        shown["network"],
        shown["payAmount"],
    )
    assert ADDRESSES["BTC"] == shown["address"]
    assert "waiting" == shown["status"]
    assert shown["quoteExpiresAt"]


async def test_the_amount_shown_is_rounded_up_to_what_the_coin_can_carry(till: Till) -> None:
    """0.0200000001 bitcoin cannot be sent: 0.02000001 pays in full."""
    till.mint.answers.append(
        Opened("7", coin="BTC", pay_amount=Decimal("0.0200000001"), address=ADDRESSES["BTC"])
    )
    assert "0.02000001" == body_of(await till.asks_for("20.00"))["payAmount"]


async def test_a_memo_is_shown_with_its_address(till: Till) -> None:
    """Without it the money would be lost: one is never shown without the other."""
    shown = body_of(await till.asks_for("20.00", coin="XRP"))
    assert (ADDRESSES["XRP"], "12345") == (shown["address"], shown["memo"])


async def test_an_address_without_its_memo_is_never_shown(till: Till) -> None:
    """The provider forgot the memo: the invoice goes to a person and the provider is halted."""
    till.mint.answers.append(
        Opened("7", coin="XRP", pay_amount=Decimal(1), address=ADDRESSES["XRP"])
    )
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", coin="XRP")
    assert await till.is_halted("mint")


@pytest.mark.parametrize(
    "address",
    [
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",  # one letter off
        ADDRESSES["ETH"],
        "",
        None,
    ],
)
async def test_an_address_that_fails_its_checksum_is_never_shown(
    till: Till, address: str | None
) -> None:
    """No caller ever sees it, the provider is halted, and a person is called."""
    till.mint.answers.append(Opened("7", coin="BTC", pay_amount=Decimal(1), address=address))
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", key="k")
    assert await till.is_halted("mint")
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", key="k")
    assert 1 == len(till.mint.intents)


@pytest.mark.parametrize(
    "wrong",
    [
        {"order_id": "inv_00000000000000000000000000"},
        {"coin": "ETH"},
        {"pay_amount": Decimal(0)},
    ],
)
async def test_an_answer_that_repeats_something_else_is_not_shown(
    till: Till, wrong: dict[str, Any]
) -> None:
    """Order, coin, amount: what the provider repeats must be what was asked."""
    facts: dict[str, Any] = {
        "coin": "BTC",
        "pay_amount": Decimal(1),
        "address": ADDRESSES["BTC"],
    }
    till.mint.answers.append(Opened("7", **(facts | wrong)))
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00")
    assert await till.is_halted("mint")


async def test_twenty_requests_with_one_key_open_one_payment(till: Till) -> None:
    """Those that come while the provider is asked are told so; one payment is opened."""
    answers = await asyncio.gather(
        *(till.asks_for("20.00", key="k") for _ in range(20)), return_exceptions=True
    )
    bodies = {answer.body for answer in answers if not isinstance(answer, BaseException)}
    assert 1 == len(bodies)
    assert all(
        isinstance(answer, InProgress) for answer in answers if isinstance(answer, BaseException)
    )
    assert 1 == len(till.mint.intents)
    again = await till.asks_for("20.00", key="k")
    assert again.is_replay
    assert {again.body} == bodies


async def test_a_key_for_another_request_is_refused(till: Till) -> None:
    """The same key, another amount."""
    await till.asks_for("20.00", key="k")
    with pytest.raises(KeyReused):
        await till.asks_for("30.00", key="k")


async def test_a_lost_answer_is_attempted_again_under_another_order_id(till: Till) -> None:
    """The provider cannot tell a repeat from a new one: the second attempt names itself."""
    till.mint.answers.append(AnswerLost("reset"))
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", key="k")
    (row,) = await till.fetch("SELECT state FROM invoices")
    assert "unknown" == row["state"]
    shown = body_of(await till.asks_for("20.00", key="k"))
    first, second = (intent.order_id for intent in till.mint.intents)
    assert (shown["invoiceId"], f"{shown['invoiceId']}-2") == (first, second)
    assert "waiting" == shown["status"]


async def test_money_for_a_lost_attempt_waits_for_a_person(till: Till) -> None:
    """Nobody was ever shown that address; if money comes there, somebody must look."""
    till.mint.answers.append(AnswerLost("reset"))
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", key="k")
    orphan = till.mint.opens(till.mint.intents[0])
    invoice = await till.invoice("20.00", key="k")
    till.mint.arrives(orphan.reference, "0.02")
    till.mint.becomes(orphan.reference, State.FINISHED)
    await till.hears(reference=orphan.reference, status="finished", order=invoice.shown_id)
    after = await till.look(invoice.shown_id)
    assert (State.REVIEW, ("orphan",)) == (after.state, after.reasons)
    assert 0 == await till.balance()
    await till.assert_books()


async def test_a_lost_attempt_that_is_heard_of_first_becomes_the_invoices_payment(
    till: Till,
) -> None:
    """The answer was lost, the notification was not: the invoice has its address after all."""
    till.mint.answers.append(AnswerLost("reset"))
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", key="k")
    opened = till.mint.opens(till.mint.intents[0])
    await till.hears(
        reference=opened.reference, status="waiting", order=till.mint.intents[0].order_id
    )
    shown = body_of(await till.asks_for("20.00", key="k"))
    assert ADDRESSES["BTC"] == shown["address"]
    assert 1 == len(till.mint.intents)
    invoice = await till.look(shown["invoiceId"])
    after = await till.settles(invoice, "0.02")
    assert State.FINISHED == after.state
    assert 2000 == await till.balance()


async def test_a_notification_that_overtakes_the_answer_is_the_same_payment(till: Till) -> None:
    """Heard of before the answer was recorded: one payment, the invoice's own."""
    mint = till.mint

    async def overtaken(intent: Intent) -> OpenAnswer:
        opened = mint.opens(intent)
        await till.hears(reference=opened.reference, status="waiting", order=intent.order_id)
        return opened

    mint.before_answering = overtaken
    invoice = await till.invoice("20.00")
    (payment,) = (await till.story(invoice)).payments
    assert Kind.PRIMARY == payment.kind
    await till.settles(invoice, "0.02")
    assert 2000 == await till.balance()


async def test_attempts_come_to_an_end(till: Till) -> None:
    """Five answers lost: the sixth request is not another address nobody knows of."""
    till.mint.answers.extend([AnswerLost("reset")] * 6)
    for _ in range(6):
        with pytest.raises(ProviderFailed):
            await till.asks_for("20.00", key="k")
    assert 5 == len(till.mint.intents)


async def test_a_process_that_died_while_asking_is_followed_by_another_attempt(
    till: Till,
) -> None:
    """Its lease ends; the same key goes on under a new order id."""
    till.mint.answers.append(AnswerLost("reset"))
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", key="k")
    await till.execute(
        "UPDATE invoice_attempts SET answer = NULL, answered_at = NULL, "
        "lease_until = now() + interval '1 minute'"
    )
    with pytest.raises(InProgress):
        await till.asks_for("20.00", key="k")
    await till.execute("UPDATE invoice_attempts SET lease_until = now() - interval '1 second'")
    assert 201 == (await till.asks_for("20.00", key="k")).status
    assert 2 == len(till.mint.intents)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (NotDelivered("refused"), ProviderUnavailable),
        (CredentialRefused("401"), ProviderUnavailable),
        (AnswerLost("html"), ProviderFailed),
        (Refused(Reason.OTHER, "BAD_REQUEST", "no"), ProviderFailed),
    ],
)
async def test_what_the_provider_did_wrong_is_not_kept_under_the_key(
    open_tills: OpenTill, answer: Any, error: type[PayopsError]
) -> None:
    """The same key may be sent again, and then succeeds."""
    till = await open_tills(crypto={"usd_kes_rate": "130", "breaker_seconds": 1})
    till.mint.answers.append(answer)
    with pytest.raises(error):
        await till.asks_for("20.00", key="k")
    till.services.deposits.registry.get("mint").breaker.succeeded()
    if isinstance(answer, CredentialRefused):
        assert "deposit_credentials:mint" in await till.alerts()
        return
    assert 201 == (await till.asks_for("20.00", key="k")).status


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.BELOW_MINIMUM, "amount_below_minimum"),
        (Reason.COIN_UNAVAILABLE, "unsupported_currency"),
    ],
)
async def test_a_refusal_by_the_provider_is_the_answer_for_good(
    till: Till, reason: Reason, code: str
) -> None:
    """Below its minimum, coin gone: 422, and a repeat gets the same without asking again."""
    till.mint.answers.append(Refused(reason, "X", "no"))
    first = await till.asks_for("20.00", key="k")
    again = await till.asks_for("20.00", key="k")
    assert (422, code) == (first.status, body_of(first)["code"])
    assert first.body == again.body
    assert 1 == len(till.mint.intents)


async def test_below_the_minimum_is_refused_before_anything_is_asked(till: Till) -> None:
    """The provider wants a dollar at least."""
    answer = await till.asks_for("0.99")
    assert (422, "amount_below_minimum") == (answer.status, body_of(answer)["code"])
    assert [] == till.mint.intents


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"coin": "NOPE"}, "unsupported_currency"),
        ({"provider": "nobody"}, "unknown_provider"),
    ],
)
async def test_what_nobody_sells_is_refused(till: Till, wanted: dict[str, Any], code: str) -> None:
    """An unknown coin, an unknown provider: 422, on record."""
    answer = await till.asks_for("20.00", **wanted)
    assert (422, code) == (answer.status, body_of(answer)["code"])


async def test_more_than_the_limit_is_refused(till: Till) -> None:
    """An invoice has an upper end."""
    answer = await till.asks_for("10000.01")
    assert (422, "amount_above_maximum") == (answer.status, body_of(answer)["code"])


async def test_the_sixth_invoice_of_an_hour_is_refused(open_tills: OpenTill) -> None:
    """Twenty at once: exactly five pass, and the others say when to come back."""
    till = await open_tills(velocity={"deposits_per_hour": 5})
    answers = await asyncio.gather(*(till.asks_for("20.00") for _ in range(20)))
    refused = [answer for answer in answers if answer.status == 429]
    assert 15 == len(refused)
    assert 5 == len(till.mint.intents)
    problem = body_of(refused[0])
    assert "velocity_limit_exceeded" == problem["code"]
    assert "Deposit limit exceeded (5/hour). Try again later." == problem["detail"]
    assert 3590 <= int(refused[0].headers["Retry-After"]) <= 3600


@pytest.mark.parametrize("name", ["deposits", "mint"])
async def test_while_halted_no_invoice_is_made(till: Till, name: str) -> None:
    """The flow, or its only provider: 503 now, and the same key passes afterwards."""
    async with till.db.transaction() as tx:
        await switches.halt(tx, name, reason="test", actor="person:test")
    with pytest.raises(DepositsHalted):
        await till.asks_for("20.00", key="k")
    async with till.db.transaction() as tx:
        await switches.resume(tx, name, reason="test", actor="person:test")
    assert 201 == (await till.asks_for("20.00", key="k")).status


async def test_money_under_way_is_credited_while_deposits_are_halted(till: Till) -> None:
    """A halt stops new invoices; what users have sent is theirs."""
    invoice = await till.invoice("20.00")
    async with till.db.transaction() as tx:
        await switches.halt(tx, "deposits", reason="test", actor="person:test")
    await till.settles(invoice, "0.02")
    assert 2000 == await till.balance()


async def test_shillings_need_a_rate(open_tills: OpenTill) -> None:
    """None configured and none recorded: 503, and dollars still work."""
    till = await open_tills(crypto={"usd_kes_rate": None})
    with pytest.raises(RateUnavailable):
        await till.asks_for("1300", "KES")
    assert 201 == (await till.asks_for("20.00")).status


async def test_a_recorded_rate_is_written_on_the_invoice_with_its_date(till: Till) -> None:
    """KES 125 less two percent is 122.50 for the payer; the dollars are rounded up."""
    rate = await till.db.run(
        lambda tx: rates.put(
            tx,
            rate=Decimal(125),
            spread_bps=200,
            actor="person:test",
            reason="central bank",
            request_id=None,
        )
    )
    invoice = await till.invoice("1000", "KES")
    assert (rate.id, rate.set_at) == (invoice.rate_id, invoice.rate_set_at)
    assert Decimal("122.5") == invoice.rate
    assert 817 == invoice.charged.minor  # 1000 / 122.50 is 8.1632…


async def test_a_rate_that_is_too_old_prices_nothing(till: Till) -> None:
    """Recorded four days ago, allowed for three."""
    async with till.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO fx_rates (id, pair, rate, spread_bps, set_by, reason, set_at) "
            "VALUES (gen_random_uuid(), 'USD/KES', 130, 0, 'x', 'x', now() - $1::interval)",
            timedelta(days=4),
        )
    with pytest.raises(RateUnavailable):
        await till.asks_for("1300", "KES")


async def test_on_a_hosted_page_each_payment_is_credited_by_its_own_quote(till: Till) -> None:
    """Two coins picked on one page, each paid in part: each by its own amount."""
    invoice = await till.invoice("20.00", coin=None, checkout=Checkout.HOSTED)
    assert invoice.checkout_url
    assert invoice.address is None
    for reference, coin, asked, paid in (
        ("3001", "BTC", "0.02", "0.01"),
        ("3002", "ETH", "0.5", "0.25"),
    ):
        till.mint.has(
            Snapshot(
                reference=reference,
                state=State.PARTIALLY_PAID,
                provider_status="partially_paid",
                order_id=invoice.shown_id,
                hosted_reference=invoice.provider_reference,
                price=invoice.charged,
                coin=coin,
                pay_amount=Decimal(asked),
                address=ADDRESSES[coin],
            )
        )
        till.mint.arrives(reference, paid)
        await till.hears(
            reference=reference, status="partially_paid", page=invoice.provider_reference
        )
    assert 2000 == await till.balance()
    assert State.PARTIALLY_PAID == (await till.look(invoice.shown_id)).state
    await till.assert_books()


async def test_an_id_the_provider_gave_out_before_halts_it(till: Till) -> None:
    """One payment for two invoices: nobody could tell whose the money is."""
    first = await till.invoice("20.00")
    assert first.provider_reference
    till.mint.answers.append(
        Opened(
            first.provider_reference,
            coin="BTC",
            pay_amount=Decimal("0.02"),
            address=ADDRESSES["BTC"],
        )
    )
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00")
    assert await till.is_halted("mint")
    await till.settles(first, "0.02")
    assert 2000 == await till.balance()


async def test_an_arrival_that_belongs_to_another_invoice_halts_the_provider(till: Till) -> None:
    """Two payments claim one arrival: it is credited for the first and never again."""
    first, second = await till.invoice("20.00"), await till.invoice("20.00")
    for invoice in (first, second):
        assert invoice.provider_reference
        till.mint.arrives(invoice.provider_reference, "0.02", id="same")
        till.mint.becomes(invoice.provider_reference, State.FINISHED)
        await till.hears(reference=invoice.provider_reference)
    assert 2000 == await till.balance()
    assert await till.is_halted("mint")
    await till.assert_books()
