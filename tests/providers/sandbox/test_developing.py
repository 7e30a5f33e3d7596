"""Which providers ``payops dev`` imitates, and with whose keys."""

from contextlib import AsyncExitStack

import httpx
import pytest
from pydantic import SecretStr

from payops.cli.developing import _with_providers
from payops.dev import secrets
from payops.infra.settings import BtcPay, Lipana, NowPayments, Settings, names

MADE_UP = {name: SecretStr(value) for name, value in secrets.made_up().items()}
LIPANA = Lipana(
    api_key=MADE_UP["PAYOPS_LIPANA__API_KEY"],
    webhook_secret=MADE_UP["PAYOPS_LIPANA__WEBHOOK_SECRET"],
)
NOWPAYMENTS = NowPayments(
    api_key=MADE_UP["PAYOPS_NOWPAYMENTS__API_KEY"],
    ipn_secret=MADE_UP["PAYOPS_NOWPAYMENTS__IPN_SECRET"],
)
BTCPAY = BtcPay(
    store_id=MADE_UP["PAYOPS_BTCPAY__STORE_ID"].get_secret_value(),
    api_key=MADE_UP["PAYOPS_BTCPAY__API_KEY"],
    webhook_secret=MADE_UP["PAYOPS_BTCPAY__WEBHOOK_SECRET"],
)
SETTINGS = Settings(lipana=LIPANA, nowpayments=NOWPAYMENTS, btcpay=BTCPAY)


def test_everything_that_is_made_up_is_a_setting() -> None:
    """
    A made-up value under a name that nobody reads would leave its provider without one.
    """
    assert set() == set(secrets.made_up()) - set(names())


async def test_all_three_providers_are_imitated_and_know_our_keys() -> None:
    """
    One sandbox for those that nobody gave an address of.
    """
    async with AsyncExitStack() as stack, httpx.AsyncClient() as http:
        found = await _with_providers(SETTINGS, stack)

        key = MADE_UP["PAYOPS_NOWPAYMENTS__API_KEY"].get_secret_value()
        token = MADE_UP["PAYOPS_BTCPAY__API_KEY"].get_secret_value()
        coins = await http.get(
            f"{found.nowpayments.base_url}/merchant/coins", headers={"x-api-key": key}
        )
        invoices = await http.get(
            f"{found.btcpay.base_url}/stores/{BTCPAY.store_id}/invoices",
            headers={"authorization": f"token {token}"},
        )

    assert (200, 200) == (coins.status_code, invoices.status_code)
    assert found.lipana.base_url.removesuffix("/v1") in found.nowpayments.base_url


async def test_a_provider_that_was_given_is_left_alone() -> None:
    """
    An address from the environment stays; the others are imitated all the same.
    """
    given = NOWPAYMENTS.model_copy(update={"base_url": "http://127.0.0.1:9/v1"})
    settings = SETTINGS.model_copy(update={"nowpayments": given})
    async with AsyncExitStack() as stack:
        found = await _with_providers(settings, stack)

    assert "http://127.0.0.1:9/v1" == found.nowpayments.base_url
    assert found.lipana.base_url != SETTINGS.lipana.base_url
    assert found.btcpay.base_url is not None


async def test_without_any_to_imitate_there_is_no_sandbox() -> None:
    """
    With three addresses given, nothing is started and nothing changed.
    """
    elsewhere = {"base_url": "http://127.0.0.1:9/v1"}
    settings = SETTINGS.model_copy(
        update={
            "lipana": LIPANA.model_copy(update=elsewhere),
            "nowpayments": NOWPAYMENTS.model_copy(update=elsewhere),
            "btcpay": BTCPAY.model_copy(update=elsewhere),
        }
    )
    async with AsyncExitStack() as stack:
        assert settings is await _with_providers(settings, stack)


async def test_an_imitation_needs_the_keys_it_is_to_know() -> None:
    """
    A provider without a key is named, not started with another.
    """
    settings = SETTINGS.model_copy(update={"btcpay": BTCPAY.model_copy(update={"api_key": None})})
    async with AsyncExitStack() as stack:
        with pytest.raises(ValueError, match="PAYOPS_BTCPAY__API_KEY"):
            await _with_providers(settings, stack)
