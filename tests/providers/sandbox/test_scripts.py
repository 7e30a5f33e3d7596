"""What a merchant sees of each scripted number."""

from dataclasses import dataclass

import httpx
import pytest

from payops.sandbox import NUMBERS, SCRIPTS, phone_for, script_for, table
from tests.providers.sandbox.support import Merchant


@dataclass(frozen=True, slots=True)
class Seen:
    """One payout from outside: the answers to the POSTs, the callbacks, the answers to the GETs."""

    posts: str
    told: str = "success"
    asked: str = "success"
    received: bool = True


PAID = Seen("pending")
FAILED = Seen("pending", "failed", "failed", received=False)

#: POSTs and GETs as words: a status, an HTTP error, or what else came back.
SEEN = {
    "00": PAID,
    "01": FAILED,
    "02": FAILED,
    "03": Seen("success"),
    "04": Seen("success", "failed", "failed", received=False),
    "10": Seen("422", "", "404", received=False),
    "11": Seen("402", "", "404", received=False),
    "12": Seen("401 pending"),
    "13": Seen("429 pending"),
    "20": Seen("lost success"),
    "21": Seen("lost pending"),
    "22": Seen("lost lost"),
    "23": Seen("lost lost", "", "404", received=False),
    "24": Seen("lost lost", ""),
    "25": Seen("lost lost", "", "failed", received=False),
    "26": PAID,
    "27": Seen("late"),
    "30": Seen("500 success"),
    "31": Seen("500 500 pending"),
    "32": Seen("500 500", "", "404", received=False),
    "33": Seen("html success"),
    "34": Seen("unsuccessful"),
    "35": Seen("unsuccessful", "", "failed", received=False),
    "36": Seen("no-id"),
    "37": Seen("failed", "", "failed", received=False),
    "38": Seen("failed"),
    "39": Seen("500 500", ""),
    "40": Seen("pending", "success success success"),
    "41": Seen("success"),
    "42": Seen("pending", "success failed"),
    "43": Seen("pending", "failed success", "failed", received=False),
    "44": Seen("pending", "failed success"),
    "45": Seen("pending", "success success"),
    "46": Seen("pending", "processing success"),
    "50": PAID,
    "51": PAID,
    "52": Seen("pending", "transaction.success"),
    "53": PAID,
    "54": PAID,
    "55": FAILED,
    "56": Seen("pending", "transaction.failed", "failed", received=False),
    "60": PAID,
    "61": PAID,
    "62": PAID,
    "63": PAID,
    "64": PAID,
    "70": Seen("pending", ""),
    "71": Seen("pending", "", "completed"),
    "72": Seen("pending", "", "processing", received=False),
    "73": Seen("pending", "", "500 500 success"),
    "74": Seen("pending", "", "500 500"),
    "75": Seen("lost lost", "", "404 404 success"),
    "76": Seen("pending", "", "failed", received=False),
}


@pytest.mark.parametrize("key", SCRIPTS)
async def test_a_scripted_number_behaves_as_its_script_says(merchant: Merchant, key: str) -> None:
    """
    The answers, the callbacks, the later answers and the money are those of the script.
    """
    expected, script = SEEN[key], SCRIPTS[key]
    phone = f"2547000000{key}"
    if key == "45":  # the receiver, too, notices that the first delivery is forged
        merchant.inbox.answers.append(401)

    posts, book = [], await merchant.book()
    for _ in expected.posts.split():
        posts.append(await posted(merchant, phone))
        book = await merchant.quiet_book()
    asked = [await got(merchant) for _ in expected.asked.split()]

    seen = Seen(
        posts=" ".join(posts),
        told=" ".join(merchant.inbox.told),
        asked=" ".join(asked),
        received=book["received"]["byPhone"] == {phone: 100},
    )
    assert expected == seen
    assert script.may_be_received == seen.received
    assert expected.received or book["receivedKES"] == 0


def test_every_script_is_covered_by_this_test() -> None:
    """
    No script is without an expectation, and no two have one name.
    """
    assert set(SCRIPTS) == set(SEEN)
    assert len(SCRIPTS) == len({script.name for script in SCRIPTS.values()})


@pytest.mark.parametrize(
    ("phone", "name"),
    [
        ("254708374149", "paid"),
        ("254708374150", "failed"),
        ("254700000020", "reply-lost"),
        ("254700000099", "paid"),
        ("254711000020", "paid"),
        ("254700000120", "paid"),
    ],
)
def test_only_the_scripted_numbers_have_a_script(phone: str, name: str) -> None:
    """
    The two numbers of the real sandbox and 2547000000NN are special; all others are paid.
    """
    assert name == script_for(phone).name


def test_a_number_can_be_had_by_the_name_of_its_script() -> None:
    """
    ``phone_for`` is the reverse of ``script_for``, and knows no other names.
    """
    assert "254700000020" == phone_for("reply-lost")
    assert all(script is script_for(phone_for(script.name)) for script in SCRIPTS.values())
    with pytest.raises(KeyError):
        phone_for("no-such-script")


async def test_without_a_transaction_id_a_script_starts_anew_after_each_acceptance(
    merchant: Merchant,
) -> None:
    """
    Where the rail knows no reference, a number that answers 429 first does so for each payout.
    """
    answers = [
        (await merchant.pay("254700000013", transaction_id=None)).status_code for _ in range(4)
    ]

    assert [429, 200, 429, 200] == answers
    assert 200 == (await merchant.quiet_book())["receivedKES"]


async def test_a_rate_limited_answer_says_when_to_come_back(merchant: Merchant) -> None:
    """
    The 429 carries Retry-After in seconds.
    """
    response = await merchant.pay("254700000013")

    assert "2" == response.headers["retry-after"]


async def test_a_repeat_of_a_lost_order_names_the_first_payout(merchant: Merchant) -> None:
    """
    After a lost reply the same transaction id gets the payout that was booked, paid once.
    """
    assert "lost" == await posted(merchant, "254700000020")

    repeated = (await merchant.pay("254700000020")).json()["payout"]

    book = await merchant.quiet_book()
    assert [repeated["id"]] == [payout["id"] for payout in book["payouts"]]
    assert 100 == book["receivedKES"]


async def test_the_list_has_a_payout_that_get_by_id_cannot_show(merchant: Merchant) -> None:
    """
    Where GET by id always fails, the list tells the truth.
    """
    await merchant.pay("254700000074")
    await merchant.quiet_book()

    listed = (await merchant.http.get("/v1/payouts")).json()["data"]

    assert [("wd_1", "success")] == [(p["transactionId"], p["status"]) for p in listed]


def test_the_table_has_a_row_for_each_script() -> None:
    """
    The Markdown table names each number once, the real sandbox's two beside theirs.
    """
    header, rule, *rows = table().splitlines()

    assert header.count("|") == rule.count("|") == 5
    assert len(SCRIPTS) == len(rows)
    assert all(row.count("|") == 5 for row in rows)
    for number in NUMBERS:
        assert 1 == table().count(number)


async def posted(merchant: Merchant, phone: str) -> str:
    """How one POST was answered, in a word."""
    try:
        response = await merchant.pay(phone)
    except httpx.TimeoutException:
        return "late"
    except httpx.TransportError:
        return "lost"
    if response.status_code != 200:
        return str(response.status_code)
    if not response.headers["content-type"].startswith("application/json"):
        return "html"
    if not response.json()["success"]:
        return "unsuccessful"
    payout = response.json()["payout"]
    return str(payout["status"]) if "id" in payout else "no-id"


async def got(merchant: Merchant) -> str:
    """How one GET was answered, in a word."""
    response = await merchant.ask("wd_1")
    if response.status_code != 200:
        return str(response.status_code)
    return str(response.json()["payout"]["status"])
