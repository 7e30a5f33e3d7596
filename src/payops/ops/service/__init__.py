"""What operations people do, the same from the API and from the command line.

Every act is audited with who did it, and none of them can do what the rules of its slice do
not allow: a payout in doubt is asked about, however often somebody wants it sent.
"""

from payops.ops.service.alerting import acknowledge, close_alert
from payops.ops.service.bodies import Body, open_body
from payops.ops.service.doubting import doubt
from payops.ops.service.notifications import replay
from payops.ops.service.operations import Operations
from payops.ops.service.personal_data import erase, open_phone, survey
from payops.ops.service.schedule import run_job, start_job
from payops.ops.service.withdrawals import Account, Search, account_of, cancel, find, retry
from payops.withdrawals.service.doubting import Queued

__all__ = [
    "Account",
    "Body",
    "Operations",
    "Queued",
    "Search",
    "account_of",
    "acknowledge",
    "cancel",
    "close_alert",
    "doubt",
    "erase",
    "find",
    "open_body",
    "open_phone",
    "replay",
    "retry",
    "run_job",
    "start_job",
    "survey",
]
