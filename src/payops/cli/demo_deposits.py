"""The demo's second act: crypto deposits, each paid in another mood."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, Final
from uuid import uuid4

from rich.table import Table

from payops import sandbox
from payops.cli.stage import Check, Stage, until

_PROVIDER: Final = "nowpayments"
_COIN: Final = "BTC"
_RATE: Final = "129.50"
_SPREAD_BPS: Final = 100
_SHILLINGS: Final = "2000.00"
_OPEN: Final = frozenset({"creating", "unknown", "waiting", "confirming", "confirmed", "sending"})
_AT_REST_SECONDS_MAX: Final = 90
_SILENCE_SECONDS: Final = 8  # the imitation is done by then, and has said nothing
_ALL_TOLD_SECONDS_MAX: Final = 30
_ALL_CREDITED_SECONDS_MAX: Final = 30


@dataclass(frozen=True, slots=True)
class Scene:
    """An invoice that the provider pays as ``script`` has it, and how it must end.

    ``credits`` are how many of the payments to it must be credited.
    """

    title: str
    script: str
    ends: str
    moral: str
    credits: int = 1
    is_silent: bool = False
    in_shillings: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A scene's invoice as it was answered."""

    scene: Scene
    user: str
    invoice: dict[str, Any]

    @property
    def id(self) -> str:
        found: str = self.invoice["invoiceId"]
        return found


@dataclass(frozen=True, slots=True)
class Played:
    """What became of it: to operations, in the wallet, and in the provider's book."""

    asked: Asked
    account: dict[str, Any]
    available: str
    payments: Sequence[dict[str, Any]]

    @property
    def credited(self) -> str:
        """In the wallet's currency, by the invoice."""
        amount: str = self.account.get("credited", {"amount": "0.00"})["amount"]
        return amount


SCENES: Final = (
    Scene(
        "A price in shillings, paid in full",
        "straight",
        "finished",
        "The provider was asked for dollars at the recorded rate; what arrived in full is worth "
        "the price in full, in shillings.",
        in_shillings=True,
    ),
    Scene(
        "Less arrives than was asked for",
        "partial",
        "partially_paid",
        "What arrived is credited at the quote, and no cent more.",
    ),
    Scene(
        "Every notification comes three times at once",
        "duplicate",
        "finished",
        "A notification only says where to look. What was read back was credited once.",
    ),
    Scene(
        "A forged notification says that it is paid, before anything is",
        "forged",
        "finished",
        "It was refused and kept as evidence. The credit came when the provider, asked by us, "
        "said that the money had settled.",
    ),
    Scene(
        "A speck of dust is sent again to the same address, labelled with the whole price",
        "dust",
        "finished",
        "The second deposit is credited by what arrived, never by the price it is labelled with.",
        credits=2,
    ),
    Scene(
        "Another coin arrives than was invoiced",
        "wrong-asset",
        "review",
        "Nobody's quote covers it: nothing is credited, and a person is called.",
        credits=0,
    ),
    Scene(
        "No notification at all",
        "silent",
        "finished",
        "Payments are read back in any case, ever more seldom; operations may have it done now.",
        is_silent=True,
    ),
)


def play(stage: Stage) -> Iterator[Check]:
    run = uuid4().hex[:8]
    stage.say(f"\nOperations record KES {_RATE} a dollar, {_SPREAD_BPS / 100:g} % for the house.")
    rate = {"rate": _RATE, "spreadBps": _SPREAD_BPS, "reason": "demo"}
    stage.post("/api/ops/fx/rates", rate)
    users = [f"demo-{run}-in-{number}" for number, _ in enumerate(SCENES, 1)]
    stage.say(_wallets(users, [_available(stage, user) for user in users], "The ledger before"))
    asked = [_ask(stage, scene, user) for scene, user in zip(SCENES, users, strict=True)]
    stage.say("\nThe provider pays all of them, in its own way ...")
    played = [_played(stage, one) for one in asked]
    stage.say(_wallets(users, [one.available for one in played], "The ledger after"))
    stage.say(_journals(stage, users[0]))
    stage.say(_compared(played))
    for one in played:
        yield from _checks(one)


def _ask(stage: Stage, scene: Scene, user: str) -> Asked:
    amount, currency = _SHILLINGS, "KES"
    if not scene.in_shillings:
        amount, currency = str(_price_of(scene.script)), "USD"
    body = {
        "amount": amount,
        "currency": currency,
        "payCurrency": _COIN,
        "provider": _PROVIDER,
    }
    invoice = stage.post("/api/crypto/invoices", body, user=user)
    stage.say(f"\n{scene.title}")
    stage.say(f"  {invoice['invoiceId']}: {currency} {amount} is {invoice['payAmount']} {_COIN}")
    stage.say(f"  to {invoice['address']}")
    return Asked(scene, user, invoice)


def _price_of(script: str) -> Decimal:
    """The price at which the provider's imitation plays ``script``."""
    scripts = sandbox.NOWPAYMENTS_SCRIPTS
    return sandbox.price_of(next(key for key, one in scripts.items() if one.name == script))


def _played(stage: Stage, asked: Asked) -> Played:
    """Wait for the end; what the provider keeps silent about is read back on demand."""
    scene, path = asked.scene, f"/api/ops/invoices/{asked.id}"
    stage.say(f"\n{scene.title}")

    def ended() -> bool:
        return stage.get(path)["status"] not in _OPEN

    if scene.is_silent and not until(ended, seconds_max=_SILENCE_SECONDS):
        stage.say("  not a word from the provider: operations have it read back now")
        stage.post(f"{path}/retry", {})
    until(ended, seconds_max=_AT_REST_SECONDS_MAX)
    payments = _payments(stage, asked)

    def all_credited() -> bool:
        return _count(stage.get(path), "credited") >= scene.credits

    until(all_credited, seconds_max=_ALL_CREDITED_SECONDS_MAX)
    account = stage.get(path)
    one = Played(asked, account, _available(stage, asked.user), payments)
    arrived = " + ".join(f"{p['received']} {p['receivedCoin'].upper()}" for p in payments)
    stage.say(f"  {arrived} arrived; {account['status']}, credited {one.credited}")
    stage.say(f"  {scene.moral}")
    return one


def _payments(stage: Stage, asked: Asked) -> Sequence[dict[str, Any]]:
    """The provider's own book of an invoice, once nothing more will come; oldest first."""

    def quiet() -> Any:
        book = stage.book(_PROVIDER)
        return None if book["underWay"] else book

    until(quiet, seconds_max=_ALL_TOLD_SECONDS_MAX)
    return [p for p in reversed(stage.book(_PROVIDER)["payments"]) if p["orderId"] == asked.id]


def _checks(one: Played) -> Iterator[Check]:
    scene, account = one.asked.scene, one.account
    name = f"deposit {scene.script}"
    status = account["status"]
    yield Check(f"{name}: ended as {scene.ends}", status == scene.ends, f"it is {status}")
    worth = sum((_worth(one.asked.invoice, p) for p in one.payments[: scene.credits]), Decimal(0))
    yield Check(
        f"{name}: credited is what arrived, at the quote",
        Decimal(one.credited) == worth and len(one.payments) >= scene.credits,
        f"{one.credited} and {worth}",
    )
    yield Check(
        f"{name}: each arrival was credited once",
        _count(account, "credited") == scene.credits,
    )
    yield Check(f"{name}: the wallet has it", Decimal(one.available) == worth)


def _worth(invoice: Mapping[str, Any], payment: Mapping[str, Any]) -> Decimal:
    """``price × received / payAmount`` in whole cents, from the provider's book alone."""
    minor = Fraction(invoice["price"]["amount"]) * 100
    share = Fraction(payment["received"]) / Fraction(payment["payAmount"])
    return Decimal(floor(minor * share)) / 100


def _count(account: Mapping[str, Any], status: str) -> int:
    return sum(receipt["status"] == status for receipt in account["receipts"])


def _available(stage: Stage, user: str) -> str:
    """Of the one wallet that a user of this act may have."""
    wallets = stage.get(f"/api/wallets/{user}")["wallets"]
    return str(wallets[0]["available"]["amount"]) if wallets else "0.00"


def _wallets(users: Sequence[str], available: Sequence[str], title: str) -> Table:
    table = Table("wallet", "available", title=title, title_justify="left")
    for user, amount in zip(users, available, strict=True):
        table.add_row(user, amount)
    return table


def _journals(stage: Stage, user: str) -> Table:
    table = Table("journal", "account", "amount", title=f"The journals of {user}")
    for journal in reversed(stage.get(f"/api/wallets/{user}/transactions")["data"]):
        for line, entry in enumerate(journal["entries"]):
            name = journal["kind"] if line == 0 else ""
            table.add_row(name, entry["account"], entry["amount"]["amount"])
    return table


def _compared(played: Sequence[Played]) -> Table:
    table = Table("invoice", "asked", "received", "credited", title="Our book and the provider's")
    for one in played:
        price = one.asked.invoice["price"]
        received = " + ".join(f"{p['received']} of {p['payAmount']}" for p in one.payments)
        table.add_row(
            one.asked.id, f"{price['currency']} {price['amount']}", received, one.credited
        )
    return table
