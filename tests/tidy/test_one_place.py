"""Nothing can be done in one place only, but for what docs/operations.md names with the reason."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import typer

from payops.cli.main import app

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"

COMMANDS: Final = {
    "GET /api/ops/alerts": "alerts list",
    "POST /api/ops/alerts/{id}/acknowledge": "alerts acknowledge",
    "POST /api/ops/alerts/{id}/resolve": "alerts resolve",
    "GET /api/ops/approvals": "approvals list",
    "POST /api/ops/approvals/{id}/approve": "approvals approve",
    "POST /api/ops/approvals/{id}/reject": "approvals reject",
    "GET /api/ops/audit": "audit list",
    "GET /api/ops/audit/export": "audit export",
    "GET /api/ops/audit/verify": "audit verify",
    "GET /api/ops/breaks": "breaks list",
    "POST /api/ops/breaks/{breakId}/explain": "breaks explain",
    "POST /api/ops/breaks/{breakId}/take": "breaks take",
    "GET /api/ops/checklists": "checklist",
    "GET /api/ops/checklists/{name}": "checklist",
    "POST /api/ops/checklists/{name}": "checklist",
    "GET /api/ops/crypto/metrics": "crypto metrics",
    "GET /api/ops/fx/rates": "fx list",
    "POST /api/ops/fx/rates": "fx set",
    "GET /api/ops/invoices": "crypto invoices list",
    "GET /api/ops/invoices/{invoiceId}": "crypto show",
    "POST /api/ops/invoices/{invoiceId}/resolve": "crypto resolve",
    "POST /api/ops/invoices/{invoiceId}/retry": "crypto invoices retry",
    "GET /api/ops/invoices/{invoiceId}/why": "why",
    "GET /api/ops/jobs": "jobs list",
    "POST /api/ops/jobs/{name}/run": "jobs run",
    "GET /api/ops/ledger/balances": "ledger balances",
    "GET /api/ops/ledger/verify": "ledger verify",
    "GET /api/ops/overview": "overview",
    "GET /api/ops/pii-access": "pii accesses",
    "GET /api/ops/pii-access/report": "pii access-report",
    "GET /api/ops/reports/daily": "report daily",
    "GET /api/ops/search": "find",
    "GET /api/ops/switches": "switches list",
    "POST /api/ops/switches": "switches halt",
    "GET /api/ops/users/{userId}": "users show",
    "POST /api/ops/users/{userId}/block": "users block",
    "POST /api/ops/users/{userId}/unblock": "users unblock",
    "GET /api/ops/velocity": "velocity report",
    "POST /api/ops/velocity/backtest": "velocity backtest",
    "GET /api/ops/velocity/changes": "velocity changes",
    "POST /api/ops/velocity/changes/{changeId}/approve": "velocity approve",
    "POST /api/ops/velocity/changes/{changeId}/reject": "velocity reject",
    "GET /api/ops/velocity/history": "velocity history",
    "POST /api/ops/velocity/rules": "velocity make",
    "PUT /api/ops/velocity/rules/{rule}": "velocity change",
    "GET /api/ops/webhooks": "webhooks list",
    "GET /api/ops/webhooks/{id}": "webhooks show",
    "POST /api/ops/webhooks/{id}/body": "webhooks body",
    "POST /api/ops/webhooks/{id}/replay": "webhooks replay",
    "GET /api/ops/withdrawals": "withdrawals list",
    "POST /api/ops/withdrawals/doubt": "withdrawals doubt",
    "GET /api/ops/withdrawals/{txId}": "withdrawals show",
    "POST /api/ops/withdrawals/{txId}/phone": "withdrawals phone",
    "POST /api/ops/withdrawals/{txId}/refund": "refunds create",
    "POST /api/ops/withdrawals/{txId}/resolve": "withdrawals resolve",
    "POST /api/ops/withdrawals/{txId}/retry": "withdrawals retry",
    "GET /api/ops/withdrawals/{txId}/why": "why",
    "POST /api/ops/withdrawals/{txId}/write-off": "withdrawals write-off",
}

# The same call or the same job by another name.
AGAIN: Final = {
    "switches resume": "POST /api/ops/switches",
    "withdrawals cancel": "POST /api/withdrawals/{txId}/cancel",
    "reconcile mpesa": "POST /api/ops/jobs/{name}/run",
    "reconcile crypto": "POST /api/ops/jobs/{name}/run",
    "ledger fold": "POST /api/ops/jobs/{name}/run",
}


def routes() -> set[str]:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    return {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in operations
    }


def commands(group: Any = None, before: str = "") -> Iterator[str]:
    """Every command that does something, by its full name."""
    found: Any = group or typer.main.get_command(app)
    names = getattr(found, "list_commands", None)
    if names is None:
        yield before
        return
    context = click.Context(found)
    for name in names(context):
        yield from commands(found.get_command(context, name), f"{before} {name}".strip())


def at_the_keyboard() -> set[str]:
    """What the document names as commands only."""
    section = OPERATIONS.read_text().split("## Only at the keyboard")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`payops ([^`]+)`", row)}


def test_every_call_of_operations_is_a_command() -> None:
    """A route that is added is given a command, or this fails."""
    assert set(COMMANDS) == {route for route in routes() if "/api/ops/" in route}


def test_every_command_is_a_call_or_is_told_of_with_the_reason() -> None:
    """No more and no less than what docs/operations.md says."""
    assert set(AGAIN.values()) <= routes()
    assert sorted({*COMMANDS.values(), *AGAIN, *at_the_keyboard()}) == sorted(commands())
