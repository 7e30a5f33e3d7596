"""Secrets made up for one checkout and kept in ``.payops/``, so that sealed data stays readable."""

import base64
import json
import os
import secrets
from collections.abc import MutableMapping
from pathlib import Path

FOLDER = Path(".payops")
_FILE = "secrets.json"


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def made_up() -> dict[str, str]:
    """A fresh set; nothing outside this checkout knows it."""
    return {
        "PAYOPS_PII__KEYS": f"k1:{_key()}",
        "PAYOPS_PII__INDEX_KEY": _key(),
        "PAYOPS_AUTH__JWT_KEY": secrets.token_urlsafe(48),
        "PAYOPS_LIPANA__API_KEY": f"lip_sk_test_{secrets.token_hex(16)}",
        "PAYOPS_LIPANA__WEBHOOK_SECRET": secrets.token_hex(32),
        "PAYOPS_NOWPAYMENTS__API_KEY": f"np_{secrets.token_hex(16)}",
        "PAYOPS_NOWPAYMENTS__IPN_SECRET": secrets.token_hex(32),
        "PAYOPS_BTCPAY__STORE_ID": secrets.token_hex(16),  # with these it needs only an address
        "PAYOPS_BTCPAY__API_KEY": f"btcpay_{secrets.token_hex(16)}",
        "PAYOPS_BTCPAY__WEBHOOK_SECRET": secrets.token_hex(32),
    }


def fill_in(environ: MutableMapping[str, str], folder: Path = FOLDER) -> None:
    """Set what is not set in ``environ`` from this checkout's file, made if there is none."""
    for name, value in _kept(folder / _FILE).items():
        if not environ.get(name):
            environ[name] = value


def _kept(path: Path) -> dict[str, str]:
    try:
        kept: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        kept = {}
    missing = {name: value for name, value in made_up().items() if name not in kept}
    if missing:
        kept |= missing
        keep(path, json.dumps(kept, indent=2))
    return kept


def keep(path: Path, text: str) -> None:
    """Write ``path`` at once and for its owner only."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
