"""A local imitation of the providers, with faults on demand and a book of its own.

It speaks the providers' HTTP over a real socket, so that the product, its tests and the demo run
against something that behaves badly in the ways the real ones do. What its book says was received
is the oracle: it must equal what the ledger says. To be worth anything as an oracle it shares no
code with the product.
"""

from payops.sandbox.app import create_app
from payops.sandbox.lipana.scripts import NUMBERS, SCRIPTS, phone_for, script_for, table
from payops.sandbox.serving import Running, running, serve
from payops.sandbox.settings import Delays, Settings

__all__ = [
    "NUMBERS",
    "SCRIPTS",
    "Delays",
    "Running",
    "Settings",
    "create_app",
    "phone_for",
    "running",
    "script_for",
    "serve",
    "table",
]
