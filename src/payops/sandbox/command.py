"""The command line: ``python -m payops.sandbox``."""

import argparse
import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

import uvicorn

from payops.sandbox.lipana.scripts import table
from payops.sandbox.serving import Running, serve
from payops.sandbox.settings import Btcpay, Delays, NowPayments, Settings

_DEFAULTS = Settings()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 ended on request, 2 the arguments make no sense, 3 the port cannot be had."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.table:
        print(table())
        return 0
    try:
        settings = _settings(options)
    except ValueError as error:
        parser.error(str(error))
    logging.basicConfig(
        level=logging.WARNING if options.quiet else logging.INFO, format="%(message)s"
    )
    work = serve(
        settings,
        host=options.host,
        port=options.port,
        access_log=not options.quiet,
        on_ready=partial(_announce, settings=settings, quiet=options.quiet),
    )
    try:
        with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
            runner.run(work)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error.strerror}")
        return 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m payops.sandbox",
        description="Imitates the payment providers, with faults on demand.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=8090, help="port to listen on; 0 is any free one")
    add("--api-key", default=_DEFAULTS.api_key, help="the key that merchants must send")
    add("--webhook-secret", default=_DEFAULTS.webhook_secret, help="signs callbacks")
    add("--callback-url", default=_DEFAULTS.callback_url, help="for orders that name none")
    add("--nowpayments-api-key", default=_DEFAULTS.nowpayments.api_key)
    add("--nowpayments-ipn-secret", default=_DEFAULTS.nowpayments.ipn_secret)
    add("--btcpay-api-key", default=_DEFAULTS.btcpay.api_key)
    add("--btcpay-webhook-secret", default=_DEFAULTS.btcpay.webhook_secret)
    add("--btcpay-webhook-url", default=_DEFAULTS.btcpay.webhook_url)
    add("--btcpay-store-id", default=_DEFAULTS.btcpay.store_id)
    add("--float-kes", type=int, default=_DEFAULTS.float_kes, help="whole shillings to pay out")
    add("--envelope", choices=["payout", "data"], default=_DEFAULTS.envelope)
    add("--latency-ms", type=int, default=_DEFAULTS.delays.reply_ms, help="time to each reply")
    add("--callback-ms", type=int, default=_DEFAULTS.delays.callback_ms)
    add("--step-ms", type=int, default=_DEFAULTS.delays.step_ms, help="in crypto payments")
    add("--speed-percent", type=int, default=_DEFAULTS.speed_percent, help="of all delays")
    add("--callbacks-at-once", type=int, default=_DEFAULTS.callbacks_at_once)
    add("--seed", type=int, default=_DEFAULTS.seed, help="of the jitter in delays")
    add("--anywhere", action="store_true", help="allow addresses that are not loopback")
    add("--quiet", action="store_true", help="no line for each request")
    add("--table", action="store_true", help="print the scripted numbers as Markdown and exit")
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        api_key=options.api_key,
        webhook_secret=options.webhook_secret,
        callback_url=options.callback_url,
        float_kes=options.float_kes,
        envelope=options.envelope,
        delays=Delays(
            reply_ms=options.latency_ms,
            callback_ms=options.callback_ms,
            step_ms=options.step_ms,
        ),
        speed_percent=options.speed_percent,
        callbacks_at_once=options.callbacks_at_once,
        seed=options.seed,
        loopback_only=not options.anywhere,
        nowpayments=NowPayments(
            api_key=options.nowpayments_api_key, ipn_secret=options.nowpayments_ipn_secret
        ),
        btcpay=Btcpay(
            api_key=options.btcpay_api_key,
            webhook_secret=options.btcpay_webhook_secret,
            webhook_url=options.btcpay_webhook_url,
            store_id=options.btcpay_store_id,
        ),
    )


def _announce(where: Running, *, settings: Settings, quiet: bool) -> None:
    print(f"Lipana sandbox on {where.lipana_url}", flush=True)
    if not quiet:
        print(f"NOWPayments on {where.nowpayments_url}, BTCPay on {where.btcpay_url}", flush=True)
        print(f"Controls on {where.control_url}, callbacks to {settings.callback_url}", flush=True)


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What uvicorn would choose: uvloop where it is installed."""
    return uvicorn.Config("", log_config=None).get_loop_factory()
