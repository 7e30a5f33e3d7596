"""The providers of crypto deposits that the settings name, in the order of preference."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import SecretStr

from payops.deposits.ports import CryptoProvider
from payops.infra.http import HttpClient
from payops.infra.settings import BtcPay as BtcPaySettings
from payops.infra.settings import NowPayments as NowPaymentsSettings
from payops.infra.settings import Settings
from payops.providers.btcpay.adapter import BtcPay
from payops.providers.btcpay.client import BtcPayClient
from payops.providers.btcpay.notifications import BtcPayNotifications
from payops.providers.nowpayments.adapter import NowPayments
from payops.providers.nowpayments.client import NowPaymentsClient
from payops.providers.nowpayments.notifications import NowPaymentsNotifications


@dataclass(frozen=True, slots=True)
class Configured:
    """A provider with the client that is its own: one that hangs does not starve the other."""

    provider: CryptoProvider
    http: HttpClient


def providers_of(settings: Settings) -> list[Configured]:
    """Those whose credentials are all set; nothing is called yet.

    Raises:
        ValueError: a setting cannot be used; its group is named, its value is not.
    """
    return list(_configured(settings))


def _configured(settings: Settings) -> Iterator[Configured]:
    try:
        yield from _nowpayments(settings.nowpayments, settings.public_url)
    except ValueError as error:
        raise ValueError(f"PAYOPS_NOWPAYMENTS: {error}") from None
    try:
        yield from _btcpay(settings.btcpay, settings.public_url)
    except ValueError as error:
        raise ValueError(f"PAYOPS_BTCPAY: {error}") from None


def _nowpayments(group: NowPaymentsSettings, public_url: str) -> Iterator[Configured]:
    if group.api_key is None or group.ipn_secret is None:
        return
    http = HttpClient(timeout_seconds=group.timeout_seconds)
    client = NowPaymentsClient(
        http, base_url=group.base_url, api_key=group.api_key.get_secret_value()
    )
    provider = NowPayments(
        client,
        NowPaymentsNotifications(_secrets(group.ipn_secret, group.ipn_secret_previous)),
        public_url=public_url,
        outcome_currency=group.outcome_currency,
        minimum_margin_percent=group.minimum_margin_percent,
    )
    yield Configured(provider, http)


def _btcpay(group: BtcPaySettings, public_url: str) -> Iterator[Configured]:
    if not (group.base_url and group.store_id and group.api_key and group.webhook_secret):
        return
    http = HttpClient(timeout_seconds=group.timeout_seconds)
    client = BtcPayClient(
        http,
        base_url=group.base_url,
        store_id=group.store_id,
        api_key=group.api_key.get_secret_value(),
    )
    provider = BtcPay(
        client,
        BtcPayNotifications(_secrets(group.webhook_secret, group.webhook_secret_previous)),
        public_url=public_url,
        coins=group.coins,
    )
    yield Configured(provider, http)


def _secrets(current: SecretStr, previous: SecretStr | None) -> tuple[bytes, ...]:
    """Both while the secret is being rotated."""
    older = previous.get_secret_value().encode() if previous else b""
    return (current.get_secret_value().encode(), older)
