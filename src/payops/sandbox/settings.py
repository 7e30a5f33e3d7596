"""What can be chosen about a sandbox. Built once and passed down; nothing reads the environment."""

import asyncio
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

Envelope: TypeAlias = Literal["payout", "data"]


@dataclass(frozen=True, slots=True)
class Delays:
    """How long things take, in milliseconds at normal speed."""

    reply_ms: int = 20
    callback_ms: int = 300  #: from the reply (or its loss) to the settlement and its callback
    jitter_ms: int = 50  #: added to the former, evenly from zero, from the seeded generator
    between_callbacks_ms: int = 400  #: from one callback's answer to the next in the same script
    slow_ms: int = 3_000  #: shorter than any sane client's time-out
    hang_ms: int = 60_000  #: longer than any sane client's time-out
    retry_ms: int = 1_000  #: before the first repeat of a refused callback; doubles from there
    step_ms: int = 1_000  #: between the stages of a crypto payment

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is negative")


@dataclass(frozen=True, slots=True)
class NowPayments:
    """One NOWPayments account. Without an IPN secret no notification is sent, as in earnest."""

    api_key: str = field(default="np_test_sandbox", repr=False)
    ipn_secret: str = field(default="sandbox-ipn-secret", repr=False)
    outcome_coin: str | None = None  #: what every payment is converted to; None keeps the coin
    retries: int = 3  #: of a notification that was not answered with 2xx
    timeout_ms: int = 3_000  #: how long the merchant has to answer


@dataclass(frozen=True, slots=True)
class Btcpay:
    """One store of a BTCPay Server, and the one webhook that is set up in it."""

    api_key: str = field(default="btcpay_test_sandbox", repr=False)
    webhook_secret: str = field(default="sandbox-btcpay-secret", repr=False)
    store_id: str = "SandboxStore"
    webhook_url: str = "http://127.0.0.1:8000/webhooks/btcpay"
    retries: int = 8
    timeout_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class Settings:
    """One sandbox. The defaults suit a product served at its own default address.

    ``callback_url`` is the account-wide address, used when a request names none. ``envelope`` is
    the key under which Lipana's answers carry the payout: both are seen in the wild.
    """

    api_key: str = field(default="lip_sk_test_sandbox", repr=False)
    webhook_secret: str = field(default="sandbox-webhook-secret", repr=False)
    callback_url: str = "http://127.0.0.1:8000/webhooks/mpesa"
    float_kes: int = 10_000_000  #: whole shillings the account can pay out
    envelope: Envelope = "payout"
    delays: Delays = Delays()
    speed_percent: int = 100  #: 1000 makes every delay a tenth
    seed: int = 1
    callbacks_at_once: int = 32
    callback_retries: int = 8
    callback_timeout_ms: int = 5_000
    loopback_only: bool = True  #: refuse to listen on, or to call back, any other address
    nowpayments: NowPayments = NowPayments()
    btcpay: Btcpay = Btcpay()
    scripts_by_price: bool = True  #: whether a price may choose what happens to a crypto payment

    def __post_init__(self) -> None:
        if not self.api_key or not self.webhook_secret:
            raise ValueError("api_key and webhook_secret must not be empty")
        if not self.nowpayments.api_key or not self.btcpay.api_key or not self.btcpay.store_id:
            raise ValueError("the keys of NOWPayments and BTCPay and the store must not be empty")
        if not self.may_call(self.btcpay.webhook_url):
            raise ValueError("btcpay.webhook_url is not a URL this sandbox may call")
        if self.float_kes < 0 or self.callback_retries < 0:
            raise ValueError("float_kes and callback_retries must not be negative")
        if min(self.speed_percent, self.callbacks_at_once, self.callback_timeout_ms) < 1:
            raise ValueError("speed, concurrency and time-out must be positive")
        if not self.may_call(self.callback_url):
            raise ValueError("callback_url is not a URL this sandbox may call")

    def may_call(self, url: str) -> bool:
        """Whether ``url`` is an address that callbacks may go to."""
        if not url.isascii() or not url.isprintable() or " " in url:
            return False  # it is written into a request as it stands
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return False
        if parts.scheme not in {"http", "https"} or not host:
            return False
        return not self.loopback_only or is_loopback(host)

    async def pause(self, delay_ms: int) -> None:
        """Let ``delay_ms`` pass, scaled by the speed. Zero does not even yield to the loop."""
        if delay_ms > 0:
            await asyncio.sleep(delay_ms / (10 * self.speed_percent))

    def limit(self, delay_ms: int) -> asyncio.Timeout:
        """A time-out after ``delay_ms``, scaled by the speed."""
        return asyncio.timeout(delay_ms / (10 * self.speed_percent))


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine by number or by the one name that is sure to mean it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
