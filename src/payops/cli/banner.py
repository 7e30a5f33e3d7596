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
    return f"""
payops is ready. Ctrl-C stops everything; data stays in .payops/

  API        {base}   documentation {base}/docs   metrics {base}/metrics
  Console    {base}/ops   (sign in with the API key)
  Sandbox    {settings.lipana.base_url}   (the M-Pesa rail: every payout here is play money)
  Deposits   {settings.nowpayments.base_url}   (send nothing: nobody has the keys of its addresses)
  API key    {demo.api_key}
  User       {demo.user_id}   token {demo.user_token}

Give the user KES 5,000:
{_credit(base, demo)}

Withdraw KES 1,500 to M-Pesa, as the user:
{_withdrawal(base, demo)}

Deposit USD 20 in bitcoin, as the user; the sandbox pays it:
{_invoice(base, demo)}

See them go on to completed and finished, and the wallet:
{_curl(f"{base}/api/withdrawals", demo.user_token)}
{_curl(f"{base}/api/crypto/invoices", demo.user_token)}
{_curl(f"{base}/api/wallets/{demo.user_id}", demo.user_token)}

See it as operations do:
{_curl(f"{base}/api/ops/withdrawals", demo.api_key)}

The books: .venv/bin/payops ledger verify   All of it narrated: make demo

"""


def _credit(base: str, demo: Demo) -> str:
    body = {
        "amount": "5000.00",
        "currency": "KES",
        "reason": "top-up",
        "reference": "top-up-$(date +%s%N)",
    }
    written = ", ".join(f'\\"{name}\\": \\"{value}\\"' for name, value in body.items())
    url = f"{base}/api/wallets/{demo.user_id}/credits"
    return f'{_post(url, demo.api_key)} -d "{{{written}}}"'


def _withdrawal(base: str, demo: Demo) -> str:
    body = '{"amountKES": 1500, "phoneNumber": "0708374149"}'
    return f"{_post(f'{base}/api/withdrawals/mpesa', demo.user_token)} -d '{body}'"


def _invoice(base: str, demo: Demo) -> str:
    body = '{"amount": "20.00", "currency": "USD", "payCurrency": "BTC"}'
    return f"{_post(f'{base}/api/crypto/invoices', demo.user_token)} -d '{body}'"


def _post(url: str, credential: str) -> str:
    fresh = '-H "Idempotency-Key: $(date +%s%N)"'
    return f"{_curl(url, credential)} -X POST -H 'Content-Type: application/json' {fresh}"


def _curl(url: str, credential: str) -> str:
    return f"curl -sS {url} -H 'Authorization: Bearer {credential}'"
