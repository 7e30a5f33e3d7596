"""A velocity rule over our own past, before anybody meets it."""

import asyncio
from datetime import datetime

from payops.fraud.domain.backtesting import Backtest, replay
from payops.fraud.domain.rules import Action, Rule, checked
from payops.fraud.errors import RuleInvalid
from payops.infra.db import Database
from payops.kernel.errors import Fault
from payops.withdrawals.store import backtesting as store

_SECONDS_MAX = 600


async def backtest(db: Database, rule: Rule, *, since: datetime, until: datetime) -> Backtest:
    """How many withdrawals ``rule`` would have stopped between ``since`` and ``until``.

    Rules that were in force then, funds and devices are left as they were: it is held
    against what was accepted.

    Raises:
        RuleInvalid: there can be no such rule, or it is none of withdrawals.
    """
    checked(rule)
    if rule.action is not Action.WITHDRAWAL:
        raise RuleInvalid(faults=[Fault("/action", "must be withdrawal")])
    if since >= until:
        raise RuleInvalid(faults=[Fault("/since", "must be before until")])
    async with db.transaction(read_only=True, seconds_max=_SECONDS_MAX) as tx:
        begin = rule.window.start(since)
        past = await store.past(tx, rule, begin, until)
        total = await store.count(tx, since, until)
    found = await asyncio.to_thread(replay, rule, past, since)
    found.considered = total  # also those of users who came nowhere near the limit
    return found
