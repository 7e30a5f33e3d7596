"""``payops demo`` ends well only if the books are right."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from payops.cli.demo_withdrawals import SCENES, Played, _checks
from tests.support.commands import Payops

pytestmark = pytest.mark.slow


def test_the_demo_starts_what_it_needs_and_ends_it(own_url: str, tmp_path: Path) -> None:
    """Four withdrawals, each as it should be; afterwards nothing is left running."""
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
    assert {scene.script for scene in SCENES} <= {check.split(":")[0] for check in checks}
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
