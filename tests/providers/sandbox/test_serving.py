"""The sandbox as a program, and its settings."""

import asyncio
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from payops.sandbox import Btcpay, Delays, NowPayments, Settings, create_app, running, table
from tests.providers.sandbox.support import API_KEY, SETTINGS, Inbox, payout_in
from tests.support.waiting import eventually

KEY = ("--api-key", API_KEY)


@asynccontextmanager
async def program(*arguments: str) -> AsyncGenerator[Process, None]:
    """``python -m payops.sandbox``, ended at the latest when the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "payops.sandbox", *arguments, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def url_of(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(10):
        line = (await process.stdout.readline()).decode()
    return line.split()[-1]


async def test_the_program_ends_at_once_on_sigterm_whatever_is_under_way() -> None:
    """
    With a hanging reply and callbacks outstanding it is gone within two seconds, exit code 0.
    """
    inbox = Inbox()
    inbox.open_for_answers.clear()
    async with inbox.listening():
        account = ("--callback-url", f"{inbox.url}/account")
        async with program("--port", "0", "--quiet", *KEY, *account) as process:
            url = await url_of(process)
            async with httpx.AsyncClient(base_url=url, headers={"x-api-key": API_KEY}) as http:
                await http.post("/payouts/phone", json={"phone": "254711000000", "amount": 100})
                hanging = asyncio.create_task(
                    http.post("/payouts/phone", json={"phone": "254700000027", "amount": 100})
                )
                await eventually(lambda: inbox.open_now == 1)
                start = time.monotonic()
                process.send_signal(signal.SIGTERM)

                assert 0 == await process.wait()
                assert time.monotonic() - start < 2
                with pytest.raises(httpx.TransportError):
                    await hanging
            assert process.stderr is not None
            assert b"" == await process.stderr.read()
        inbox.open_for_answers.set()


async def test_the_program_prints_the_table() -> None:
    """
    ``--table`` prints the Markdown table and ends.
    """
    async with program("--table") as process:
        out, _ = await process.communicate()

        assert 0 == process.returncode
        assert table() == out.decode().rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--host", "0.0.0.0"), 2),
        (("--callback-url", "http://example.com/"), 2),
        (("--latency-ms", "-1"), 2),
        (("--speed-percent", "0"), 2),
        (("--api-key", ""), 2),
    ],
)
async def test_the_program_refuses_what_makes_no_sense(
    arguments: tuple[str, ...], code: int
) -> None:
    """
    It stays on this machine unless told otherwise, and says what is wrong on standard error.
    """
    async with program("--port", "0", *arguments) as process:
        _, err = await asyncio.wait_for(process.communicate(), 10)

        assert code == process.returncode
        assert b"error:" in err


async def test_the_program_says_when_its_port_is_taken() -> None:
    """
    A port that somebody else has is one line and exit code 3.
    """
    async with running(SETTINGS) as where:
        port = where.url.rsplit(":", 1)[1]
        async with program("--port", port) as process:
            out, err = await asyncio.wait_for(process.communicate(), 10)

            assert 3 == process.returncode
            assert out.startswith(f"cannot listen on 127.0.0.1:{port}".encode())
            assert b"" == err


async def test_a_sandbox_can_be_started_and_stopped_inside_a_program() -> None:
    """
    ``running`` serves until the block ends, and then the port is free at once.
    """
    async with running(SETTINGS) as first:
        port = int(first.url.rsplit(":", 1)[1])
    async with running(SETTINGS, port=port) as second:
        assert first == second
        assert f"{first.url}/v1" == second.lipana_url
        async with httpx.AsyncClient() as http:
            response = await http.get(f"{second.control_url}/book")

            assert 200 == response.status_code


async def test_a_sandbox_can_listen_on_the_other_loopback() -> None:
    """
    ``::1`` is loopback, too.
    """
    async with running(SETTINGS, host="::1") as where, httpx.AsyncClient() as http:
        assert 200 == (await http.get(f"{where.control_url}/book")).status_code


async def test_a_sandbox_does_not_listen_beyond_this_machine_by_itself() -> None:
    """
    Another address than loopback is refused before anything is bound.
    """
    with pytest.raises(ValueError, match="loopback"):
        async with running(SETTINGS, host="0.0.0.0"):
            pass


async def test_other_hosts_can_be_called_back_when_that_is_allowed() -> None:
    """
    Without the restriction any HTTP address will do, but still no other scheme.
    """
    settings = replace(SETTINGS, loopback_only=False)

    assert settings.may_call("https://payops.example/webhooks/mpesa")
    assert not settings.may_call("ftp://payops.example/")


async def test_under_another_server_a_lost_reply_is_still_lost() -> None:
    """
    An in-process client sees a connection error in place of a closed connection.
    """
    transport = httpx.ASGITransport(create_app(SETTINGS))
    headers = {"x-api-key": API_KEY}
    order = {"phone": "254700000020", "amount": 100, "transactionId": "wd_1"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://sandbox", headers=headers
    ) as http:
        with pytest.raises(ConnectionResetError):
            await http.post("/v1/payouts/phone", json=order)

        repeated = payout_in(await http.post("/v1/payouts/phone", json=order))

        assert "wd_1" == repeated["transactionId"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": ""},
        {"webhook_secret": ""},
        {"float_kes": -1},
        {"callback_retries": -1},
        {"speed_percent": 0},
        {"callbacks_at_once": 0},
        {"callback_url": "http://example.com/"},
        {"nowpayments": NowPayments(api_key="")},
        {"btcpay": Btcpay(api_key="")},
        {"btcpay": Btcpay(store_id="")},
        {"btcpay": Btcpay(webhook_url="http://example.com/")},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    """
    A sandbox is never built on settings it cannot keep.
    """
    with pytest.raises(ValueError, match=r"\w"):
        Settings(**wrong)


def test_a_negative_delay_is_refused() -> None:
    """
    Time passes in one direction only.
    """
    with pytest.raises(ValueError, match="callback_ms"):
        Delays(callback_ms=-1)


def test_settings_do_not_print_their_secrets() -> None:
    """
    The representation of settings has neither the key nor the secret.
    """
    assert API_KEY not in repr(SETTINGS)
    assert SETTINGS.webhook_secret not in repr(SETTINGS)
    assert SETTINGS.nowpayments.ipn_secret not in repr(SETTINGS)
    assert SETTINGS.btcpay.webhook_secret not in repr(SETTINGS)


async def test_the_program_takes_the_credentials_of_every_provider() -> None:
    """
    Keys and store given on the command line are the ones that are asked for.
    """
    nowpayments = ("--nowpayments-api-key", "np-key", "--nowpayments-ipn-secret", "ipn")
    btcpay = ("--btcpay-api-key", "btc-key", "--btcpay-store-id", "Shop", "--step-ms", "0")
    async with program("--port", "0", "--quiet", *nowpayments, *btcpay) as process:
        url = (await url_of(process)).removesuffix("/v1")
        async with httpx.AsyncClient(base_url=url) as http:
            coins = await http.get(
                "/nowpayments/v1/merchant/coins", headers={"x-api-key": "np-key"}
            )
            invoices = await http.get(
                "/btcpay/api/v1/stores/Shop/invoices", headers={"authorization": "token btc-key"}
            )

            assert (200, 200) == (coins.status_code, invoices.status_code)


def test_an_account_is_settled_in_a_coin_that_there_is() -> None:
    """
    An outcome coin that nobody has is refused at the start.
    """
    with pytest.raises(ValueError, match="outcome_coin"):
        create_app(replace(SETTINGS, nowpayments=NowPayments(outcome_coin="gold")))
