"""How the store is configured."""

import pytest

from payops.infra.settings import Settings


def test_a_store_is_off_until_it_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is assumed but the coin."""
    monkeypatch.delenv("PAYOPS_BTCPAY__BASE_URL", raising=False)

    store = Settings().btcpay

    assert (None, None, None, None) == (
        store.base_url,
        store.store_id,
        store.api_key,
        store.webhook_secret,
    )
    assert ("BTC",) == store.coins


def test_coins_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """As networks are, and not JSON."""
    monkeypatch.setenv("PAYOPS_BTCPAY__COINS", "BTC, LTC,")

    assert ("BTC", "LTC") == Settings().btcpay.coins


def test_a_store_s_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the three is in a representation."""
    for name in ("API_KEY", "WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS"):
        monkeypatch.setenv(f"PAYOPS_BTCPAY__{name}", f"hidden-{name}")

    assert "hidden" not in repr(Settings())
