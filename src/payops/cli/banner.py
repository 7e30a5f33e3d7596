"""What ``payops dev`` prints: URLs, credentials, and curl lines that work as they stand."""

import sys

from payops.cli.seeding import Demo
from payops.infra.settings import Settings


def show(settings: Settings, demo: Demo) -> None:
    """Plain lines, never wrapped, so that they can be copied."""
    sys.stdout.write(_text(settings, demo))
    sys.stdout.flush()


def _text(settings: Settings, demo: Demo) -> str:
    base = f"http://127.0.0.1:{settings.port}"
    key = f"-H 'Authorization: Bearer {demo.api_key}'"
    token = f"-H 'Authorization: Bearer {demo.user_token}'"
    json = "-H 'Content-Type: application/json'"
    fresh = '-H "Idempotency-Key: $(date +%s%N)"'
    return f"""
payops is ready. Ctrl-C stops everything; data stays in .payops/

  API        {base}   documentation {base}/docs   metrics {base}/metrics
  Sandbox    {settings.lipana.base_url}   (the M-Pesa rail: every payout here is play money)
  API key    {demo.api_key}
  User       {demo.user_id}   token {demo.user_token}

Give the user KES 5,000:
curl -sS -X POST {base}/api/wallets/{demo.user_id}/credits {key} {json} {fresh} -d "{{\\"amount\\": \\"5000.00\\", \\"currency\\": \\"KES\\", \\"reason\\": \\"top-up\\", \\"reference\\": \\"top-up-$(date +%s%N)\\"}}"

Withdraw KES 1,500 to M-Pesa, as the user:
curl -sS -X POST {base}/api/withdrawals/mpesa {token} {json} {fresh} -d '{{"amountKES": 1500, "phoneNumber": "0708374149"}}'

See it go from pending to completed, and the wallet:
curl -sS {base}/api/withdrawals {token}
curl -sS {base}/api/wallets/{demo.user_id} {token}

The books: .venv/bin/payops ledger verify

"""
