"""The providers of payouts and of deposits."""

from pydantic import Field, SecretStr

from payops.infra.settings.base import Group, Names

SANDBOX_LIPANA_URL = "http://127.0.0.1:8090/v1"
SANDBOX_NOWPAYMENTS_URL = "http://127.0.0.1:8090/nowpayments/v1"


class Lipana(Group):
    base_url: str = Field(SANDBOX_LIPANA_URL, description="The rail's API, `/v1` included")
    api_key: SecretStr | None = Field(None, description="Sent as `x-api-key`")
    webhook_secret: SecretStr | None = Field(None, description="Verifies `x-lipana-signature`")
    webhook_secret_previous: SecretStr | None = Field(
        None, description="Also accepted while the secret is being rotated"
    )
    sends_reference: bool = Field(
        True, description="The rail takes our transaction id and de-duplicates on it"
    )
    timeout_seconds: int = Field(10, ge=1, le=60, description="For one call")
    breaker_failures: int = Field(
        10, ge=1, description="Consecutive failures that open the circuit breaker"
    )
    breaker_seconds: int = Field(30, ge=1, description="How long until one trial is let through")


class NowPayments(Group):
    base_url: str = Field(SANDBOX_NOWPAYMENTS_URL, description="The provider's API, `/v1` included")
    api_key: SecretStr | None = Field(None, description="Sent as `x-api-key`")
    ipn_secret: SecretStr | None = Field(None, description="Verifies `x-nowpayments-sig`")
    ipn_secret_previous: SecretStr | None = Field(
        None, description="Also accepted while the secret is being rotated"
    )
    timeout_seconds: int = Field(10, ge=1, le=60, description="For one call")
    outcome_currency: str | None = Field(
        None,
        pattern="^[0-9A-Za-z]{1,32}$",
        description="Code of the coin that the account is settled in; minimums depend on it",
    )
    minimum_margin_percent: int = Field(
        5, ge=0, le=100, description="Added to the provider's minimum, since prices move"
    )


class BtcPay(Group):
    base_url: str | None = Field(
        None, description="The server's public address, `/api/v1` included; unset is off"
    )
    store_id: str | None = Field(None, description="The store that invoices are made in")
    api_key: SecretStr | None = Field(
        None, description="Sent as `Authorization: token`; may create and view invoices and rates"
    )
    webhook_secret: SecretStr | None = Field(None, description="Verifies `BTCPay-Sig`")
    webhook_secret_previous: SecretStr | None = Field(
        None, description="Also accepted while the secret is being rotated"
    )
    timeout_seconds: int = Field(10, ge=1, le=60, description="For one call")
    coins: Names = Field(("BTC",), description="Coins the store takes: `BTC`, `LTC`, `DOGE`")
