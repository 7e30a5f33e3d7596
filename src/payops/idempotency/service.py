"""Answer keyed requests: effect, answer and key in one commit.

``Desk`` is the one way in for requests that move money. A refusal is an answer like any
other: decisions are made before anything is written, so nothing has to be rolled back and
the refusal, its audit record and its key stand in the same commit as everybody else's.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic

import asyncpg

from payops.idempotency import store
from payops.idempotency.domain import Answer, Command, Key, Keyed, Use
from payops.idempotency.errors import InProgress, KeyReused
from payops.infra.batching import Batcher
from payops.infra.db import CommitUnknown, Database, Tx

Decide = Callable[[Tx, Sequence[Keyed[Command]]], Awaitable[Sequence[Answer]]]

_RACED = "pk_idempotency_keys"
_RACES_MAX = 3
_FORGET_BATCH = 5_000


class Desk(Generic[Command]):
    """Takes keyed commands, in batches, to ``decide``; repeats get the first answer.

    ``decide`` works in the given transaction and returns one answer per command, in
    order. Two transactions with the same key: the primary key lets one through, the other
    starts over and finds the answer. A lock that is held too long is reported as a request
    still running. After a COMMIT whose answer was lost the keys are read back.
    """

    def __init__(
        self, db: Database, decide: Decide[Command], *, size_max: int = 64, lanes: int = 2
    ) -> None:
        self._db = db
        self._decide = decide
        self._batcher: Batcher[Keyed[Command], Answer | KeyReused] = Batcher(
            self._run, size_max=size_max, lanes=lanes
        )

    async def submit(self, keyed: Keyed[Command]) -> Answer:
        """The answer to ``keyed``, new or as given before (``is_replay``).

        Raises:
            KeyReused: the key stands for another request.
            InProgress: another transaction holds what this one needs; ask again.
            CommitUnknown: asked again with the same key, the truth will be told.
        """
        answer = await self._batcher.submit(keyed)
        if isinstance(answer, KeyReused):
            raise answer
        return answer

    async def find(self, keyed: Keyed[Command]) -> Answer | None:
        """The answer given before, if the key was used; nothing is decided.

        Raises:
            KeyReused: the key stands for another request.
        """
        async with self._db.transaction(read_only=True) as tx:
            found = (await store.find(tx, [keyed.key])).get(keyed.key)
        if found is None:
            return None
        fingerprint, answer = found
        if fingerprint != keyed.fingerprint:
            raise KeyReused
        return answer

    async def drained(self) -> None:
        await self._batcher.drained()

    async def _run(self, batch: Sequence[Keyed[Command]]) -> list[Answer | KeyReused]:
        try:
            answers = await self._answered(batch)
        except asyncpg.LockNotAvailableError as error:
            raise InProgress(retry_after_seconds=1) from error
        except CommitUnknown:
            async with self._db.transaction(read_only=True) as tx:
                answers = await store.find(tx, [keyed.key for keyed in batch])
            if len(answers) < len({keyed.key for keyed in batch}):
                raise
        return _shared_out(batch, answers)

    async def _answered(self, batch: Sequence[Keyed[Command]]) -> dict[Key, tuple[bytes, Answer]]:
        for _ in range(_RACES_MAX):
            try:
                return await self._db.run(lambda tx: self._attempt(tx, batch))
            except asyncpg.UniqueViolationError as error:
                if error.constraint_name != _RACED:
                    raise
        raise InProgress(retry_after_seconds=1)

    async def _attempt(
        self, tx: Tx, batch: Sequence[Keyed[Command]]
    ) -> dict[Key, tuple[bytes, Answer]]:
        answers = await store.find(tx, [keyed.key for keyed in batch])
        fresh: dict[Key, Keyed[Command]] = {}
        for keyed in batch:
            if keyed.key not in answers:
                fresh.setdefault(keyed.key, keyed)
        if not fresh:
            return answers
        commands = list(fresh.values())
        answered = list(zip(commands, await self._decide(tx, commands), strict=True))
        kept = [(keyed, answer) for keyed, answer in answered if answer.is_kept]
        if kept:
            await store.insert(tx, kept)
        return answers | {k.key: (k.fingerprint, answer) for k, answer in answered}


def _shared_out(
    batch: Sequence[Keyed[Any]], answers: dict[Key, tuple[bytes, Answer]]
) -> list[Answer | KeyReused]:
    """One answer per request: of equal requests in one batch the first is the original."""
    seen: set[Key] = set()
    shared: list[Answer | KeyReused] = []
    for keyed in batch:
        fingerprint, answer = answers[keyed.key]
        if fingerprint != keyed.fingerprint:
            shared.append(KeyReused())
        elif keyed.key in seen and answer.is_kept and not answer.is_replay:
            shared.append(_as_replay(answer))
        else:
            shared.append(answer)
        seen.add(keyed.key)
    return shared


def _as_replay(answer: Answer) -> Answer:
    return Answer(answer.status, answer.body, answer.headers, answer.resource, is_replay=True)


async def complete(tx: Tx, key: Key, answer: Answer) -> Answer:
    """Give a key that stands for something begun its answer; returns what its repeats will get.

    The first answer stays: of two that finish the same thing the later is told the first's.
    """
    if await store.complete(tx, key, answer):
        return answer
    found = (await store.find(tx, [key])).get(key)
    return found[1] if found is not None else answer


async def forget_old_answers(db: Database, *, older_than_days: int) -> int:
    """Drop stored answers past their retention, in bounded transactions; returns how many.

    The link from a key to what it made stays for ever: a retry years later still pays
    nothing.
    """
    total = 0
    while True:
        async with db.transaction() as tx:
            forgotten = await store.forget(tx, older_than_days=older_than_days, limit=_FORGET_BATCH)
        total += forgotten
        if forgotten < _FORGET_BATCH:
            return total


async def used(tx: Tx, key: str, *, user_id: str | None = None, limit: int = 20) -> list[Use]:
    """Who used this key for what, newest first.

    Keys are found through their user. Without one, every key there is is looked at.
    """
    return await store.used(tx, key, user_id, limit)


async def made(tx: Tx, user_id: str, resource: str, *, limit: int = 20) -> list[Use]:
    """The keys that made, or led to, a user's withdrawal, invoice or journal; oldest first."""
    return await store.made(tx, user_id, resource, limit)


async def count_answers(tx: Tx, user_id: str) -> int:
    """How many answers of requests that made something are stored of one user."""
    return await store.count_bodies(tx, user_id)


async def erase_answers(tx: Tx, user_id: str) -> int:
    """Drop them: a repeat is then answered with what its key made, as it stands by then."""
    return await store.erase_bodies(tx, user_id)
