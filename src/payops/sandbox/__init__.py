"""A local imitation of the providers, with faults on demand and a book of its own.

It speaks the providers' HTTP over a real socket, so that the product, its tests and the demo run
against something that behaves badly in the ways the real ones do. What its book says was received
is the oracle: it must equal what the ledger says. To be worth anything as an oracle it shares no
code with the product.
"""

from payops.sandbox.app import create_app
from payops.sandbox.btcpay.scripts import SCRIPTS as BTCPAY_SCRIPTS
from payops.sandbox.btcpay.scripts import table as btcpay_table
from payops.sandbox.choosing import price_of
from payops.sandbox.lipana.scripts import NUMBERS, SCRIPTS, phone_for, script_for, table
from payops.sandbox.nowpayments.scripts import SCRIPTS as NOWPAYMENTS_SCRIPTS
from payops.sandbox.nowpayments.scripts import table as nowpayments_table
from payops.sandbox.serving import Running, running, serve
from payops.sandbox.settings import Btcpay, Delays, NowPayments, Settings

__all__ = [
    "BTCPAY_SCRIPTS",
    "NOWPAYMENTS_SCRIPTS",
    "NUMBERS",
    "SCRIPTS",
    "Btcpay",
    "Delays",
    "NowPayments",
    "Running",
    "Settings",
    "btcpay_table",
    "create_app",
    "nowpayments_table",
    "phone_for",
    "price_of",
    "running",
    "script_for",
    "serve",
    "table",
]
