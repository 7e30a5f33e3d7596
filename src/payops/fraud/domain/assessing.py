"""All checks of a batch of withdrawals, in the agreed order: blocked, velocity, device.

Pure: what was read under the locks goes in, and each request sees what the ones before it
in the batch have taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from uuid import UUID

from payops.fraud.domain import devices
from payops.fraud.domain.blocks import Block
from payops.fraud.domain.devices import FirstUse, Learnt, Origin, Policy, Seen, Standing
from payops.fraud.domain.rules import Action, Scope
from payops.fraud.domain.velocity import Assessment, Done, RuleSet
from payops.fraud.errors import UnusualActivity, UserBlocked
from payops.kernel.errors import PayopsError
from payops.kernel.ids import new_id


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as far as these checks need it.

    ``recipient`` holds the blind indexes that the number to be paid may be stored under, the
    one it is stored under now first; ``locks`` those that nobody else may hold meanwhile.
    """

    user_id: str
    recipient: tuple[bytes, ...] = ()
    locks: tuple[bytes, ...] = ()
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, slots=True)
class View:
    """What stood when the locks were had; ``standings`` has one entry per ask, in order."""

    now: datetime
    rules: RuleSet
    blocks: Mapping[str, Block]
    standings: Sequence[Standing]

    def since(self, scope: Scope) -> datetime | None:
        """How far back the histories of withdrawals must reach; ``None``: not needed."""
        return self.rules.reach(Action.WITHDRAWAL, self.now, scope=scope)


@dataclass(frozen=True, slots=True)
class Checks:
    """What was found, and the refusal if there is one. ``seen`` ``None``: not looked at."""

    assessment: Assessment = field(default_factory=Assessment)
    seen: Seen | None = None
    device_id: UUID | None = None
    refusal: PayopsError | None = None


class Assessor:
    """Holds the asks of one batch against ``view`` and the histories, one after the other."""

    def __init__(
        self,
        asks: Sequence[Ask],
        view: View,
        *,
        of_users: dict[str, list[Done]],
        of_recipients: dict[bytes, list[Done]],
        policy: Policy,
        first_use: FirstUse,
    ) -> None:
        self._asks = asks
        self._view = view
        self._of_users = of_users
        self._of_recipients = of_recipients
        self._policy = policy
        self._first_use = first_use
        self._firsts: dict[str, Learnt] = {}

    def check(self, number: int, amount_minor: int) -> Checks:
        """Everything about ask ``number``; nothing is counted yet."""
        ask = self._asks[number]
        if ask.user_id in self._view.blocks:
            return Checks(refusal=UserBlocked())
        assessment = self._view.rules.for_withdrawals(
            self._of_users.get(ask.user_id, []),
            self._of_recipient(ask),
            amount_minor,
            self._view.now,
        )
        if assessment.refusal is not None:
            return Checks(assessment, refusal=assessment.refusal)
        if self._policy is Policy.OFF:
            return Checks(assessment)
        standing = self._standing(number)
        seen = devices.look(standing, ask.origin, self._first_use)
        device_id = new_id() if seen is Seen.FIRST else standing.device_id
        is_refused = seen.is_unusual and self._policy is Policy.ENFORCE
        return Checks(assessment, seen, device_id, UnusualActivity() if is_refused else None)

    def accept(self, number: int, amount_minor: int, checks: Checks) -> None:
        """Count ask ``number`` from now on."""
        ask, done = self._asks[number], Done(self._view.now, amount_minor)
        self._of_users.setdefault(ask.user_id, []).append(done)
        for index in ask.recipient[:1]:
            self._of_recipients.setdefault(index, []).append(done)
        if checks.seen is Seen.FIRST and checks.device_id is not None:
            self._firsts[ask.user_id] = Learnt(
                ask.user_id, checks.device_id, ask.origin, devices.How.FIRST
            )

    @property
    def first_devices(self) -> list[Learnt]:
        """What this batch has taken on trust, one device a user at most."""
        return list(self._firsts.values())

    def _standing(self, number: int) -> Standing:
        """As read, or as the first request of the user in this batch has left it."""
        ask = self._asks[number]
        first = self._firsts.get(ask.user_id)
        standing = self._view.standings[number]
        if first is None:
            return standing
        is_known = first.origin.fingerprint == ask.origin.fingerprint
        return Standing(
            has_devices=True,
            device_id=first.id if is_known else None,
            is_network_known=first.origin.network == ask.origin.network,
        )

    def _of_recipient(self, ask: Ask) -> Sequence[Done]:
        """In order of time, under whichever index it is stored."""
        found = [list_ for index in ask.recipient if (list_ := self._of_recipients.get(index))]
        if len(found) < 2:
            return found[0] if found else []
        return sorted(chain.from_iterable(found), key=lambda done: done.at)
