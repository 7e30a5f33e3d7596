"""The demo's first act: four withdrawals, each meeting the rail in another mood."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from rich.table import Table

from payops import sandbox
from payops.cli.stage import Check, Stage, until

_FUNDING_KES: Final = 2_000
_AMOUNT_KES: Final = 1_500
_FINAL: Final = ("completed", "failed", "cancelled", "review")
_FINAL_SECONDS_MAX: Final = 120
_CALLBACKS_SECONDS_MAX: Final = 15


@dataclass(frozen=True, slots=True)
class Scene:
    """A withdrawal to the number that plays ``script``, and how it must end."""

    title: str
    script: str
    ends: str
    moral: str
    callbacks: int = 1
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a scene: the withdrawal as the service has it, and as operations see it."""

    scene: Scene
    user: str
    withdrawal: dict[str, Any]
    before: dict[str, str]


SCENES: Final = (
    Scene(
        "A withdrawal that is paid",
        "paid",
        "completed",
        "The money was set aside before anything was sent, and left the wallet when the rail's "
        "signed callback said that it was paid.",
    ),
    Scene(
        "A withdrawal that the rail declines",
        "declined",
        "failed",
        "A definite no, so nothing can have been paid: the money is back in the wallet.",
        callbacks=0,
    ),
    Scene(
        "No reply ever comes, and no callback: the rail took it, and the connection closed",
        "every-reply-lost-paid",
        "completed",
        "Nobody knew whether it was paid. It was sent again under the same id only, then asked "
        "about, never given back on a guess. The rail said: paid, once.",
        callbacks=0,
        is_slow=True,
    ),
    Scene(
        "The callback comes three times at once",
        "three-copies",
        "completed",
        "All three were acknowledged, one was kept, and it had its effect once.",
        callbacks=3,
    ),
)


def play(stage: Stage) -> Iterator[Check]:
    run = uuid4().hex[:8]
    users = [f"demo-{run}-{number}" for number, _ in enumerate(SCENES, 1)]
    stage.say(f"Four new users get KES {_FUNDING_KES:,} each.")
    for user in users:
        _fund(stage, user)
    before = [_wallet(stage, user) for user in users]
    stage.say(_wallets(users, before, "The ledger before"))
    played = [
        _play(stage, scene, user, wallet)
        for scene, user, wallet in zip(SCENES, users, before, strict=True)
    ]
    after = [_wallet(stage, user) for user in users]
    stage.say(_wallets(users, after, "The ledger after"))
    stage.say(_journals(stage, users[0]))
    payouts = _payouts(stage, played)
    stage.say(_compared(played, payouts))
    for one, wallet in zip(played, after, strict=True):
        yield from _checks(one, wallet, payouts.get(one.withdrawal["txId"]))


def _fund(stage: Stage, user: str) -> None:
    body = {
        "amount": f"{_FUNDING_KES}.00",
        "currency": "KES",
        "reason": "demo",
        "reference": f"demo-{user}",
    }
    stage.post(f"/api/wallets/{user}/credits", body)


def _wallet(stage: Stage, user: str) -> dict[str, str]:
    (wallet,) = stage.get(f"/api/wallets/{user}")["wallets"]
    return {part: wallet[part]["amount"] for part in ("available", "held")}


def _play(stage: Stage, scene: Scene, user: str, before: dict[str, str]) -> Played:
    stage.say(f"\n{scene.title}")
    body = {"amountKES": _AMOUNT_KES, "phoneNumber": sandbox.phone_for(scene.script)}
    accepted = stage.post("/api/withdrawals/mpesa", body, user=user)
    txid = accepted["txId"]
    stage.say(f"  accepted as {txid}: KES {_AMOUNT_KES:,} to {accepted['phoneNumber']}")
    seen = [accepted["status"]]
    if scene.is_slow:
        stage.say("  five sends with growing pauses: this takes some 20 seconds ...")

    def is_final() -> bool:
        status = stage.get(f"/api/withdrawals/{txid}", user=user)["status"]
        if status != seen[-1]:
            seen.append(status)
            if status == "unresolved":
                stage.say("  unresolved: operations have the rail asked now, not when it is due")
                stage.post(f"/api/ops/withdrawals/{txid}/retry", {})
        return status in _FINAL

    until(is_final, seconds_max=_FINAL_SECONDS_MAX)
    withdrawal = stage.get(f"/api/ops/withdrawals/{txid}")
    for attempt in withdrawal["attemptLog"]:
        why = attempt.get("detail")
        answer = attempt.get("answer", "no answer")
        stage.say(f"  send {attempt['number']}: {answer}{f' ({why})' if why else ''}")
    receipt = f", receipt {withdrawal['receipt']}" if "receipt" in withdrawal else ""
    stage.say(f"  {' → '.join(seen)}{receipt}")
    stage.say(f"  {scene.moral}")
    return Played(scene, user, withdrawal, before)


def _payouts(stage: Stage, played: Sequence[Played]) -> dict[str, Any]:
    """The sandbox's payouts of our withdrawals, once all of its callbacks are answered."""
    wanted = {one.withdrawal["txId"]: one.scene.callbacks for one in played}

    def look() -> dict[str, Any]:
        return {
            payout["transactionId"]: payout
            for payout in stage.book()["payouts"]
            if payout.get("transactionId") in wanted
        }

    def all_told() -> bool:
        found = look()
        return all(
            len(found[txid]["callbackAnswers"]) >= number
            for txid, number in wanted.items()
            if txid in found
        )

    until(all_told, seconds_max=_CALLBACKS_SECONDS_MAX)
    return look()


def _checks(one: Played, wallet: dict[str, str], payout: Any | None) -> Iterator[Check]:
    scene, status = one.scene, one.withdrawal["status"]
    received = payout["receivedKES"] if payout else 0
    paid = _AMOUNT_KES if status == "completed" else 0
    yield Check(f"{scene.script}: ended as {scene.ends}", status == scene.ends, f"it is {status}")
    yield Check(
        f"{scene.script}: the rail paid what we have as completed",
        received == paid,
        f"{received} and {paid}",
    )
    left = {"available": f"{_FUNDING_KES - paid}.00", "held": "0.00"}
    yield Check(f"{scene.script}: the wallet has the rest", wallet == left)
    answers = payout["callbackAnswers"] if payout else []
    yield Check(
        f"{scene.script}: every callback was acknowledged",
        answers == [200] * scene.callbacks,
        f"{len(answers)} of {scene.callbacks}",
    )


def _wallets(users: Sequence[str], wallets: Sequence[dict[str, str]], title: str) -> Table:
    table = Table("wallet", "available", "held", title=title, title_justify="left")
    for user, wallet in zip(users, wallets, strict=True):
        table.add_row(user, wallet["available"], wallet["held"])
    return table


def _journals(stage: Stage, user: str) -> Table:
    table = Table("journal", "account", "amount", title=f"The journals of {user}")
    for journal in reversed(stage.get(f"/api/wallets/{user}/transactions")["data"]):
        for line, entry in enumerate(journal["entries"]):
            name = journal["kind"] if line == 0 else ""
            table.add_row(name, entry["account"], entry["amount"]["amount"])
    return table


def _compared(played: Sequence[Played], payouts: dict[str, Any]) -> Table:
    table = Table("withdrawal", "we say", "the rail received", title="Our book and the rail's")
    for one in played:
        txid = one.withdrawal["txId"]
        payout = payouts.get(txid)
        received = f"KES {payout['receivedKES']:,}" if payout else "never taken"
        table.add_row(txid, one.withdrawal["status"], received)
    return table
