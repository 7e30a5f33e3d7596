"""Requests and notifications that are really made, by a user who is nobody.

What is credited for a moment is debited again; the withdrawal that is asked for is refused
by its amount. Neither leaves anything to be paid.
"""

import asyncio
import json
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from payops.fraud.domain import velocity
from payops.fraud.domain.assessing import Ask, Assessor, View
from payops.fraud.domain.devices import Origin, Policy, Standing
from payops.fraud.domain.rules import Action, Measure, Mode, Rule
from payops.fraud.domain.velocity import Done, RuleSet
from payops.idempotency.domain import Answer, Key, Keyed, canonical
from payops.kernel.ids import new_id, show_id
from payops.kernel.money import KES, Money
from payops.ledger import service as ledger
from payops.ledger.service import Direction, Movement
from payops.ops.checklists.domain import ID_PREFIX, Finding, attention, failed, passed
from payops.ops.checklists.parts import USER, By, Parts
from payops.pii.domain import Msisdn
from payops.webhooks import service as webhooks
from payops.webhooks.domain import State
from payops.withdrawals.service.requesting import OPERATION, Request

_SHILLING: Final = Money.whole(1, KES)
_TIMES: Final = 3  # the same request, all at once
_TAKEN_TRIES: Final = 5
_NOBODY: Final = Msisdn("254708374149")  # the number the rail itself documents for tests
_EFFECT_WITHIN: Final = timedelta(seconds=10)
_LOOK_EVERY: Final = timedelta(milliseconds=100)
_LOOKED_THROUGH: Final = 100


async def duplicate_request(parts: Parts, by: By) -> Finding:
    """One credit of a shilling asked for three times at once under one key, and taken back."""
    await _emptied(parts, by)  # of what an interrupted run has left
    name = _name()
    asked = _movement(parts, by, Direction.CREDIT, _SHILLING, name)
    try:
        answers = await asyncio.gather(*(parts.movements.submit(asked) for _ in range(_TIMES)))
        async with parts.db.transaction(read_only=True) as tx:
            journals = await ledger.history(tx, USER, before=None, limit=_LOOKED_THROUGH)
    finally:
        left = await _emptied(parts, by)
    effects = sum(journal.reference == name for journal in journals)
    evidence = _answered(answers) | {"key": name, "journals": effects, "left": left}
    bodies = {answer.body for answer in answers}
    replays = sum(answer.is_replay for answer in answers)
    if effects != 1 or len(bodies) != 1 or replays != _TIMES - 1 or answers[0].status != 201:
        return failed("the same request had more than one effect or answer", **evidence)
    if left:
        return attention(f"{USER} keeps {left} cents: run it again", **evidence)
    return passed(f"{_TIMES} requests, one journal, one answer; the shilling is back", **evidence)


async def duplicate_webhook(parts: Parts, _: By) -> Finding:
    """One signed notification delivered three times at once to this inbox."""
    name = _name()
    headers, body = parts.source.signed(name)
    source = parts.source.name
    taken = await asyncio.gather(
        *(parts.inbox.receive(source, headers, body) for _ in range(_TIMES))
    )
    attempts = await _attempts(parts, name)
    evidence = {"notification": name, "acknowledged": sum(taken), "effects": attempts}
    if not all(taken):
        return failed("an authentic notification was not acknowledged", **evidence)
    if attempts != [1]:
        return failed(f"it had its effect {sum(attempts)} times instead of once", **evidence)
    return passed(f"{_TIMES} deliveries acknowledged, applied once", **evidence)


async def limits(parts: Parts, by: By) -> Finding:
    """An amount above the maximum is asked for; velocity is judged at the brim of each rule."""
    answer = await parts.withdrawals.submit(_withdrawal(parts, by))
    code = json.loads(answer.body or b"{}").get("code")
    async with parts.db.transaction(read_only=True) as tx:
        now: datetime = await tx.fetchval("SELECT now()")
        rules = await parts.velocity.rules(tx)
    enforced = [rule for rule in rules.rules if rule.mode is Mode.ENFORCE]
    toothless = [rule.name for rule in enforced if not _refuses(rule, now)]
    evidence = {
        "amountAnswer": {"status": answer.status, "code": code},
        "rules": [f"{rule.name} {rule.shown_limit}" for rule in enforced],
        "toothless": toothless,
    }
    if answer.status == 202:
        return failed("an amount above the maximum was accepted: cancel it", **evidence)
    if toothless:
        return failed(f"beyond the limit and not refused: {', '.join(toothless)}", **evidence)
    if code == "withdrawals_halted":
        return attention("withdrawals are halted, so the amount was not looked at", **evidence)
    if code != "amount_out_of_range":
        return failed(f"an amount above the maximum was refused as {code}", **evidence)
    if not any(rule.action is Action.WITHDRAWAL for rule in enforced):
        return attention("no velocity limit of withdrawals is in force", **evidence)
    return passed(f"the amount and {len(enforced)} velocity rules refuse", **evidence)


async def devices(parts: Parts, _: By) -> Finding:
    """A user who has a device, judged on a request from another one, as acceptance does it."""
    rules = parts.devices
    ask = Ask(USER, origin=Origin(fingerprint=b"?" * 32, network=b"?" * 32))
    async with parts.db.transaction(read_only=True) as tx:
        now: datetime = await tx.fetchval("SELECT now()")
    view = View(now, RuleSet(()), {}, [Standing(has_devices=True)])
    assessor = Assessor(
        [ask],
        view,
        of_users={},
        of_recipients={},
        policy=rules.policy,
        first_use=rules.first_use,
    )
    checks = assessor.check(0, _SHILLING.minor)
    evidence = {
        "policy": rules.policy.value,
        "seen": checks.seen.value if checks.seen else None,
        "refused": checks.refusal.code if checks.refusal else None,
    }
    if rules.policy is not Policy.ENFORCE:
        return attention(f"the policy is {rules.policy}: unknown devices pass", **evidence)
    if checks.refusal is None:
        return failed("a request from an unknown device passes", **evidence)
    if parts.settings.events.url is None:
        detail = "stopped, but PAYOPS_EVENTS__URL is not set: only users with e-mail get a code"
        return attention(detail, **evidence)
    return passed("a request from an unknown device is stopped", **evidence)


def _name() -> str:
    return show_id(ID_PREFIX, new_id())


def _movement(
    parts: Parts, by: By, direction: Direction, amount: Money, name: str
) -> Keyed[Movement]:
    content = {"amountMinor": amount.minor, "direction": direction.value, "reference": name}
    return Keyed(
        Key(USER, by.actor, direction.value, name),
        parts.fingerprints.of("idempotency", canonical(content)),
        Movement(USER, direction, amount, name, "operations checklist", by.actor, by.request_id),
    )


def _withdrawal(parts: Parts, by: By) -> Keyed[Request]:
    amount = Money.whole(parts.settings.withdrawal.max_kes + 1, KES)
    return Keyed(
        Key(USER, by.actor, OPERATION, _name()),
        parts.fingerprints.of("idempotency", canonical({"amountMinor": amount.minor})),
        Request(USER, amount.minor, _NOBODY, by.actor, by.request_id),
    )


async def _emptied(parts: Parts, by: By) -> int:
    """Debit whatever the user of the checks has; returns the cents that are left, mostly none.

    Another check at the same moment may be quicker, and the debit is then refused.
    """
    for _ in range(_TAKEN_TRIES):
        available = await _available(parts)
        if not available:
            return 0
        amount = Money(available, KES)
        await parts.movements.submit(_movement(parts, by, Direction.DEBIT, amount, _name()))
    return await _available(parts)


async def _available(parts: Parts) -> int:
    async with parts.db.transaction(read_only=True) as tx:
        wallets = await ledger.wallets(tx, USER)
    return sum(wallet.available for wallet in wallets if wallet.owner.currency == KES.code)


async def _attempts(parts: Parts, name: str) -> list[int]:
    """How often each applied notification about ``name`` was tried, once there is one."""
    end = asyncio.get_running_loop().time() + _EFFECT_WITHIN.total_seconds()
    while True:
        async with parts.db.transaction(read_only=True) as tx:
            applied = await webhooks.deliveries(
                tx, state=State.APPLIED, before=None, limit=_LOOKED_THROUGH
            )
        found = [delivery.attempts for delivery in applied if delivery.subject == name]
        if found or asyncio.get_running_loop().time() > end:
            return found
        await asyncio.sleep(_LOOK_EVERY.total_seconds())


def _refuses(rule: Rule, now: datetime) -> bool:
    """Whether one more shilling is too much when the limit is used up, and passes before."""
    if rule.measure is Measure.SUM:
        full = [Done(now, rule.limit)]
    else:
        full = [Done(now, _SHILLING.minor)] * rule.limit
    asked = _SHILLING.minor
    return (
        velocity.judge(rule, full, asked, now).is_hit
        and not velocity.judge(rule, [], asked, now).is_hit
    )


def _answered(answers: list[Answer]) -> dict[str, object]:
    return {
        "statuses": [answer.status for answer in answers],
        "replayed": sum(answer.is_replay for answer in answers),
        "answerSha256": sorted({sha256(answer.body or b"").hexdigest() for answer in answers}),
    }
