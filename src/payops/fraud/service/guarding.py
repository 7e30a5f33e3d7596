"""Everything that is asked about a batch of withdrawals before money is held.

Two statements a batch: one that locks and looks before the decisions, one that records
them. Only what is refused as unusual, or meets a limit, costs more.
"""

from collections.abc import Collection, Sequence

from payops.fraud.domain.assessing import Ask, Assessor, View
from payops.fraud.domain.decisions import Decision
from payops.fraud.domain.devices import Learnt, Policy
from payops.fraud.domain.rules import Action, Scope
from payops.fraud.domain.velocity import Done
from payops.fraud.errors import UnusualActivity, VelocityLimitExceeded
from payops.fraud.service import decisions as records
from payops.fraud.service.devices import Devices
from payops.fraud.service.velocity import Velocity
from payops.fraud.store import standing
from payops.infra.db import Tx


class Guard:
    """The fraud checks of withdrawals, in the transaction that holds the money."""

    def __init__(self, velocity: Velocity, devices: Devices) -> None:
        self._velocity = velocity
        self._devices = devices

    @property
    def policy(self) -> Policy:
        return self._devices.rules.policy

    async def look(self, tx: Tx, asks: Sequence[Ask]) -> View:
        """Lock the recipients and read what stands; the users' wallets are locked already."""
        rules = await self._velocity.rules(tx)
        locks: set[bytes] = set()
        if rules.of(Action.WITHDRAWAL, Scope.RECIPIENT):
            locks = {index for ask in asks for index in ask.locks}
        found = await standing.look(tx, asks, locks)
        return View(found.now, rules, found.blocks, found.standings)

    def assessor(
        self,
        asks: Sequence[Ask],
        view: View,
        of_users: dict[str, list[Done]],
        of_recipients: dict[bytes, list[Done]],
    ) -> Assessor:
        """The pure part, over what was read."""
        rules = self._devices.rules
        return Assessor(
            asks,
            view,
            of_users=of_users,
            of_recipients=of_recipients,
            policy=rules.policy,
            first_use=rules.first_use,
        )

    async def challenge(self, tx: Tx, ask: Ask) -> UnusualActivity:
        """The refusal of a request from somewhere unknown, with the way out."""
        return await self._devices.challenge(tx, ask.user_id, ask.origin)

    async def record(
        self, tx: Tx, view: View, decided: Sequence[Decision], firsts: Sequence[Learnt]
    ) -> None:
        """Keep the decisions and the devices taken on trust; look at who met limits."""
        await self._devices.learn(tx, firsts)
        await records.record(tx, decided)
        await self._velocity.watch(tx, _met_limits(decided), view.now)


def _met_limits(decided: Sequence[Decision]) -> Collection[str]:
    return {d.user_id for d in decided if d.code == VelocityLimitExceeded.code}
