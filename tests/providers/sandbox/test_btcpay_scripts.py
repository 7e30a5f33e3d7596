"""What a merchant of a BTCPay Server sees of each scripted price."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from payops.sandbox import BTCPAY_SCRIPTS, btcpay_table, price_of
from tests.providers.sandbox.crypto import PATIENCE_SECONDS, Shop, outcome_of

_PAID = "ReceivedPayment Processing"
_SETTLED = "PaymentSettled Settled"


@dataclass(frozen=True, slots=True)
class Seen:
    """One invoice from outside: the answer to the POST, the events, the GETs, the money.

    ``received`` is what counts in the end, as a share of the price.
    """

    posted: str = "200"
    told: str = f"Created {_PAID} {_SETTLED}"
    asked: str = "Settled/None"
    received: str = "1"


PAID = Seen()
NEVER = Seen(told="", asked="", received="0")

SEEN = {
    "01": PAID,
    "02": Seen(
        told="Created ReceivedPayment PaymentSettled Expired",
        asked="Expired/PaidPartial",
        received="0.6",
    ),
    "03": Seen(asked="Settled/PaidOver", received="1.5"),
    "04": Seen(told="Created Expired ReceivedPayment PaymentSettled", asked="Expired/PaidLate"),
    "05": Seen(
        told="Created ReceivedPayment ReceivedPayment Processing "
        "PaymentSettled PaymentSettled Settled"
    ),
    "06": Seen(told=f"Created {_PAID} Invalid", asked="Invalid/None"),
    "07": Seen(told="Created Settled", asked="Settled/Marked", received="0"),
    "08": Seen(told=""),
    "09": Seen(told="Created", asked="New/None", received="0"),
    "10": Seen(told=f"Created Settled {_PAID} {_SETTLED}"),
    "11": Seen(told=" ".join(f"{word} {word} {word}" for word in PAID.told.split())),
    "12": Seen(posted="lost"),
    "13": replace(NEVER, posted="500"),
    "14": Seen(posted="html"),
    "15": Seen(posted="late"),
    "16": Seen(asked="500 500 500 Settled/None"),
    "17": Seen(told="Created", asked="New/None", received="0"),
    "18": Seen(told=f"Created {_PAID} Invalid PaymentSettled", asked="Invalid/None"),
    "19": Seen(told=f"Created {_PAID} ReceivedPayment {_SETTLED}"),
    "20": Seen(told="Created Expired", asked="Expired/None", received="0"),
    "21": Seen(
        told="Created ReceivedPayment PaymentSettled Expired ReceivedPayment PaymentSettled",
        asked="Expired/PaidLate",
    ),
    "22": Seen(
        told="Created ReceivedPayment PaymentSettled Settled",
        asked="Settled/Marked",
        received="0.6",
    ),
    "23": replace(NEVER, posted="422"),
    "24": Seen(told="Created Settled", asked="New/None", received="0"),
    "25": Seen(told="Created Settled", asked="New/None", received="0"),
    "26": PAID,
    "27": PAID,
}


@pytest.mark.parametrize("key", BTCPAY_SCRIPTS)
async def test_a_scripted_price_behaves_as_its_script_says(shop: Shop, key: str) -> None:
    """
    The answer, the events, the later answers and the money are those of the script.
    """
    patience = PATIENCE_SECONDS if SEEN[key].posted == "late" else 20
    posted = await outcome_of(shop.invoice(key), patience_seconds=patience)
    book = await shop.quiet_book("btcpay")
    asked = []
    for _ in SEEN[key].asked.split():
        response = await shop.store(f"invoices/{book['invoices'][0]['invoiceId']}")
        shown = response.json()
        is_shown = response.is_success
        asked.append(
            f"{shown['status']}/{shown['additionalStatus']}"
            if is_shown
            else str(response.status_code)
        )

    received = Decimal(book["receivedByCoin"].get("BTC", 0)) * 64_000 / price_of(key)
    seen = Seen(
        posted=posted,
        told=" ".join(event["type"].removeprefix("Invoice") for event in shop.notices),
        asked=" ".join(asked),
        received=f"{received.quantize(Decimal('1e-4')).normalize():f}",
    )
    assert SEEN[key] == seen


def test_every_script_is_covered_by_this_test() -> None:
    """
    No script is without an expectation, and no two have one name.
    """
    assert list(BTCPAY_SCRIPTS) == list(SEEN)
    assert len(BTCPAY_SCRIPTS) == len({script.name for script in BTCPAY_SCRIPTS.values()})


def test_the_table_has_a_row_for_each_script() -> None:
    """
    The Markdown table names each price once.
    """
    _, _, *rows = btcpay_table().splitlines()

    assert [f"| 99.{key} " for key in BTCPAY_SCRIPTS] == [row[:8] for row in rows]
    assert all(row.count("|") == 5 for row in rows)


async def test_a_replaced_payment_counts_no_more(shop: Shop) -> None:
    """
    Script 19 shows the first payment as Invalid and its successor as Settled.
    """
    invoice = (await shop.invoice("19")).json()["id"]
    await shop.quiet_book("btcpay")

    (method,) = (await shop.store(f"invoices/{invoice}/payment-methods")).json()
    assert ["Invalid", "Settled"] == [payment["status"] for payment in method["payments"]]
    assert method["amount"] == method["paymentMethodPaid"]


async def test_the_address_may_not_be_had_at_first(shop: Shop) -> None:
    """
    Script 17 answers the first question for payment methods with 500, the second with an address.
    """
    invoice = (await shop.invoice("17")).json()["id"]

    answers = [(await shop.store(f"invoices/{invoice}/payment-methods")) for _ in range(2)]

    assert [500, 200] == [answer.status_code for answer in answers]


async def test_an_ordinary_price_is_paid_without_trouble(shop: Shop) -> None:
    """
    Only USD 99.NN with a known NN has a script of its own.
    """
    for price in ("11.6", "99", "98.02", "99.28"):
        await shop.invoice(price=price)

    book = await shop.quiet_book("btcpay")
    assert {"straight"} == {invoice["script"] for invoice in book["invoices"]}
