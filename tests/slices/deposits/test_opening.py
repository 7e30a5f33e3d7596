"""What a provider answers when it is asked for an address or a page, and what is shown of it."""

from decimal import Decimal
from typing import Any

import pytest

from payops.deposits.domain.invoices import Checkout, Kind
from payops.deposits.domain.states import State
from payops.deposits.errors import (
    ProviderFailed,
    ProviderUnavailable,
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
)
from payops.idempotency.errors import InProgress
from payops.kernel.errors import PayopsError
from tests.support.mint import ADDRESSES
from tests.support.till import OpenTill, Till, body_of


def address(reference: str) -> Opened:
    return Opened(reference, coin="BTC", pay_amount=Decimal("0.02"), address=ADDRESSES["BTC"])


def page(reference: str) -> Opened:
    return Opened(reference, is_page=True, url="https://mint.test/page")


def is_slow_once(till: Till, answer: Opened, **asks: Any) -> None:
    """The first attempt is answered when its lease has ended and a second one was answered."""

    async def slow(_: Intent) -> OpenAnswer:
        till.mint.before_answering = None
        await till.execute("UPDATE invoice_attempts SET lease_until = now() - interval '1 second'")
        await till.asks_for("20.00", **asks)
        return answer

    till.mint.before_answering = slow


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


async def test_a_page_the_provider_gave_out_before_halts_it(till: Till) -> None:
    """What is picked on it could be for either: nobody is shown it a second time."""
    first = await till.invoice("20.00", coin=None, checkout=Checkout.HOSTED)
    assert first.provider_reference
    till.mint.answers.append(page(first.provider_reference))

    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", key="k", coin=None, checkout=Checkout.HOSTED)

    (other,) = await till.fetch("SELECT state, checkout_url FROM invoices WHERE id <> $1", first.id)
    assert ("unknown", None) == (other["state"], other["checkout_url"])
    assert (True, ["halted:mint"]) == (await till.is_halted("mint"), await till.alerts())
    assert State.WAITING == (await till.look(first.shown_id)).state


@pytest.mark.parametrize("checkout", Checkout)
async def test_an_id_given_out_before_halts_also_when_its_answer_came_too_late(
    till: Till, checkout: Checkout
) -> None:
    """Another attempt was quicker: its address stands, and the provider is halted all the same."""
    asks: dict[str, Any] = {"coin": "BTC" if checkout is Checkout.ADDRESS else None}
    asks["checkout"] = checkout
    first = await till.invoice("20.00", **asks)
    assert first.provider_reference
    given = address(first.provider_reference)
    if checkout is Checkout.HOSTED:
        given = page(first.provider_reference)
    is_slow_once(till, given, key="k", **asks)

    with pytest.raises(InProgress):
        await till.asks_for("20.00", key="k", **asks)

    assert await till.is_halted("mint")
    after = await till.invoice("20.00", key="k", **asks)
    assert State.WAITING == after.state
    assert after.provider_reference not in {None, first.provider_reference}
    assert [] == [p for p in (await till.story(after)).payments if p.kind is Kind.ORPHAN]


@pytest.mark.parametrize("checkout", Checkout)
async def test_what_a_slow_attempt_opened_stays_known(till: Till, checkout: Checkout) -> None:
    """Its address is polled unseen; of its page nothing can be read, but a payment picked there
    is this invoice's, and for a person.
    """
    asks: dict[str, Any] = {"coin": "BTC" if checkout is Checkout.ADDRESS else None}
    asks["checkout"] = checkout
    is_address = checkout is Checkout.ADDRESS
    is_slow_once(till, address("slow") if is_address else page("slow"), key="k", **asks)

    with pytest.raises(InProgress):
        await till.asks_for("20.00", key="k", **asks)
    invoice = await till.invoice("20.00", key="k", **asks)
    if not is_address:
        await till.hears(reference="3001", status="waiting", page="slow")

    orphans = [p.reference for p in (await till.story(invoice)).payments if p.kind is Kind.ORPHAN]
    assert ["slow" if is_address else "3001"] == orphans
    assert not await till.is_halted("mint")


async def test_a_slow_attempt_that_got_the_same_payment_takes_nothing_from_it(till: Till) -> None:
    """A provider that gives one payment for both: it is the one that was shown, and credited."""

    async def slow(_: Intent) -> OpenAnswer:
        till.mint.before_answering = None
        await till.execute("UPDATE invoice_attempts SET lease_until = now() - interval '1 second'")
        quick = await till.invoice("20.00", key="k")
        return address(quick.provider_reference or "")

    till.mint.before_answering = slow
    with pytest.raises(InProgress):
        await till.asks_for("20.00", key="k")

    after = await till.settles(await till.invoice("20.00", key="k"), "0.02")
    assert (State.FINISHED, 2000) == (after.state, await till.balance())


@pytest.mark.parametrize("answer", [None, Refused(Reason.COIN_UNAVAILABLE, "X", "no")], ids=repr)
async def test_the_alert_about_a_refused_key_ends_when_the_key_is_taken(
    open_tills: OpenTill, till: Till, answer: OpenAnswer | None
) -> None:
    """Opened, or refused for another reason: the provider let us in, whichever replica asked."""
    other = await open_tills(till.mint)
    till.mint.answers.extend([CredentialRefused("401"), NotDelivered("refused")])
    for asking in (till, other):
        with pytest.raises(ProviderUnavailable):
            await asking.asks_for("20.00")
        assert ["deposit_credentials:mint"] == await till.alerts()

    till.mint.answers.extend([answer] if answer else [])
    await other.asks_for("20.00")

    assert [] == await till.alerts()


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
