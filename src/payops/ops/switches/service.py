"""Throwing switches, the same from the API and from the command line."""

from collections.abc import Sequence
from dataclasses import dataclass

from payops.approvals.domain import Action, Approval, Person, Wanted
from payops.approvals.service import Approvals
from payops.infra.db import Database, Tx
from payops.ops.approvals.acts import halted_at
from payops.switches import service as switches
from payops.switches.domain import Switch


@dataclass(frozen=True, slots=True)
class SwitchDesk:
    """``names`` are all there are: the two flows and every provider. One per process."""

    db: Database
    names: tuple[str, ...]
    approvals: Approvals

    async def every(self) -> Sequence[Switch]:
        async with self.db.transaction(read_only=True) as tx:
            return await switches.every(tx, self.names)

    async def halt(
        self, name: str, *, reason: str, by: Person, request_id: str | None = None
    ) -> Switch:
        """Halt ``name``, which one person may; it may be so already.

        Raises:
            UnknownSwitch: there is none of this name.
            Invalid: no reason, or one that is too long.
        """
        switches.check_name(name, self.names)

        async def work(tx: Tx) -> Switch:
            await switches.halt(tx, name, reason=reason, actor=by.actor, request_id=request_id)
            (found,) = await switches.every(tx, [name])
            return found

        return await self.db.run(work)

    async def resume(
        self, name: str, *, reason: str, by: Person, request_id: str | None = None
    ) -> Switch | Approval:
        """Ask to let ``name`` go on, for another person to approve; the switch if it is on.

        Raises as ``Approvals.ask``, and
            UnknownSwitch: there is none of this name.
        """
        switches.check_name(name, self.names)

        async def work(tx: Tx) -> Switch | Approval:
            (found,) = await switches.every(tx, [name])
            if not found.is_halted:
                return found
            wanted = Wanted(
                action=Action.SWITCH_RESUME,
                subject=name,
                reason=reason,
                payload={"haltedAt": halted_at(found)},
            )
            return await self.approvals.ask(tx, wanted, by, request_id=request_id)

        return await self.db.run(work)
