"""``payops demo`` ends well only if the books are right."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from payops.cli import demo_deposits
from payops.cli.demo_withdrawals import SCENES, Played, _checks
from tests.support.commands import Payops

pytestmark = pytest.mark.slow


def test_the_demo_starts_what_it_needs_and_ends_it(own_url: str, tmp_path: Path) -> None:
    """Withdrawals and deposits, each as it should be; afterwards nothing is left running."""
    payops = Payops.on(own_url, tmp_path, PAYOPS_ENV="development")
    process = subprocess.run(
        [sys.executable, "-m", "payops", "demo", "--json"],
        cwd=tmp_path,
        env=dict(payops.environment),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert 0 == process.returncode, process.stderr
    document = json.loads(process.stdout)
    assert document["ok"]
    checks = [check["check"] for check in document["checks"]]
    named = {check.split(":")[0] for check in checks}
    assert {scene.script for scene in SCENES} <= named
    assert {f"deposit {scene.script}" for scene in demo_deposits.SCENES} <= named
    assert "every invariant of the ledger holds" in checks
    assert "asked now" in process.stderr
    assert not (tmp_path / ".payops" / "run.json").exists()


def test_a_payout_that_we_do_not_know_of_is_seen() -> None:
    """The rail paid what we gave back: no demo may end well with that."""
    scene = SCENES[1]
    withdrawal = {"txId": "wd_1", "status": "failed"}
    wallet = {"available": "2000.00", "held": "0.00"}
    payout = {"receivedKES": 1500, "callbackAnswers": []}

    checks = list(_checks(Played(scene, "demo-1", withdrawal, wallet), wallet, payout))

    assert [f"{scene.script}: the rail paid what we have as completed"] == [
        check.what for check in checks if not check.holds
    ]


def _deposit(scene: demo_deposits.Scene, *, credited: str, received: str) -> list[str]:
    """What the demo finds wrong with a deposit of USD 20.00 that was asked for as 0.02."""
    money = {"amount": credited, "currency": "USD"}
    invoice = {"invoiceId": "inv_1", "price": {"amount": "20.00", "currency": "USD"}}
    account = {"status": scene.ends, "credited": money, "receipts": [{"status": "credited"}]}
    payment = {"received": received, "payAmount": "0.02"}
    asked = demo_deposits.Asked(scene, "demo-1", invoice)
    played = demo_deposits.Played(asked, account, credited, [payment])
    return [check.what for check in demo_deposits._checks(played) if not check.holds]


def test_a_cent_that_did_not_arrive_is_seen() -> None:
    """We credited more, or less, than the provider's book is worth: no demo ends well with that."""
    scene = demo_deposits.SCENES[1]

    assert [] == _deposit(scene, credited="15.00", received="0.015")
    assert [
        "deposit partial: credited is what arrived, at the quote",
        "deposit partial: the wallet has it",
    ] == _deposit(scene, credited="15.01", received="0.015")
    assert [] == _deposit(scene, credited="15.00", received="0.01500001")
    assert _deposit(scene, credited="14.99", received="0.015")
