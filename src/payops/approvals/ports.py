"""What approvals need of those whose acts they guard."""

from typing import Protocol

from payops.approvals.domain import Approval, Effect, Person
from payops.infra.db import Tx


class Executor(Protocol):
    """Carries an approved act out, in the transaction of its approval.

    It takes its own locks and looks anew: what was true when the act was asked for may not
    be any more. Whatever it raises undoes the approval with it, which then stays pending;
    ``Overtaken`` says that it can never be carried out, and closes it.
    """

    async def __call__(self, tx: Tx, approval: Approval, by: Person) -> Effect: ...
