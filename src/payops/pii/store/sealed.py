"""SQL over the sealed columns of all slices, made from what each has declared.

Names of tables and columns are constants that ``SealedColumn`` has checked; nothing that
anybody sends becomes part of a statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

from payops.infra.db import Record, Tx
from payops.pii.domain import HOUSE, IndexCopy, SealedColumn

Key: TypeAlias = tuple[str, UUID]  # the user id and the row's

FIRST: Final[Key] = ("", UUID(int=0))  # before every key


@dataclass(frozen=True, slots=True)
class Marks:
    """What current values begin with: sealed ones, and blind indexes."""

    header: bytes
    tag: bytes
    index_bytes: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """A stretch of a table in key order: which rows of it need work, and where it ended."""

    rows: int
    stale: Sequence[Key]
    last: Key


@dataclass(frozen=True, slots=True)
class Value:
    """One sealed value, its row locked until the transaction ends."""

    user_id: str
    row_id: UUID
    sealed: bytes
    index: bytes | None


async def count(tx: Tx, column: SealedColumn) -> int:
    """How many rows a pass looks at."""
    found: int = await tx.fetchval(f"SELECT count(*) FROM {column.table}")  # noqa: S608 - see above
    return found


async def key_ids(tx: Tx, column: SealedColumn) -> dict[str, int]:
    """How many values are sealed under each key id."""
    sealed = column.column
    rows = await tx.fetch(
        f"""SELECT convert_from(substring({sealed} FROM 3 FOR get_byte({sealed}, 1)), 'SQL_ASCII')
            AS key_id, count(*) AS values
        FROM {column.table}
        WHERE octet_length({sealed}) > 2 AND get_byte({sealed}, 0) = 1
            AND get_byte({sealed}, 1) <= 32
        GROUP BY 1 ORDER BY 1"""  # noqa: S608 - see above
    )
    return {row["key_id"]: row["values"] for row in rows}


async def count_stale(tx: Tx, column: SealedColumn, marks: Marks) -> int:
    """How many values are not under the primary key, or not found under the new index key."""
    found: int = await tx.fetchval(
        f"SELECT count(*) FROM {column.table} t WHERE {_stale(column)}",  # noqa: S608 - see above
        *_marks(column, marks),
    )
    return found


async def scan(tx: Tx, column: SealedColumn, marks: Marks, after: Key, limit: int) -> Scanned:
    """The next ``limit`` rows in key order; locks nothing and reads no value."""
    marked = _marks(column, marks)
    free = len(marked) + 1  # the number of the next argument
    if column.user_column:
        user, key = f"t.{column.user_column}", f"t.{column.user_column}, t.{column.id_column}"
        begun: tuple[object, ...] = after
        since = f"(${free}::text, ${free + 1}::uuid)"
    else:
        user, key = f"'{HOUSE}'", f"t.{column.id_column}"
        begun = after[1:]
        since = f"(${free}::uuid)"
    rows: list[Record] = await tx.fetch(
        f"""SELECT {user} AS user_id, t.{column.id_column} AS row_id, {_stale(column)} AS is_stale
        FROM {column.table} t WHERE ({key}) > {since}
        ORDER BY {key} LIMIT ${free + len(begun)}""",  # noqa: S608 - see above
        *marked,
        *begun,
        limit,
    )
    stale = [(row["user_id"], row["row_id"]) for row in rows if row["is_stale"]]
    last = (rows[-1]["user_id"], rows[-1]["row_id"]) if rows else after
    return Scanned(len(rows), stale, last)


async def lock(tx: Tx, column: SealedColumn, marks: Marks, keys: Sequence[Key]) -> list[Value]:
    """Those of ``keys`` that still need work and that nobody else has locked, locked.

    The lock lets references to the row be checked meanwhile, and it never waits: money is
    moved first, and what is skipped comes in the next pass.
    """
    marked = _marks(column, marks)
    free = len(marked) + 1
    owned = f"t.{column.user_column} = k.user_id AND " if column.user_column else ""
    index = f"t.{column.index_column}" if column.index_column else "NULL::bytea"
    rows = await tx.fetch(
        f"""SELECT k.user_id, k.row_id, t.{column.column} AS sealed, {index} AS index
        FROM unnest(${free}::text[], ${free + 1}::uuid[]) AS k (user_id, row_id)
        JOIN {column.table} t ON {owned}t.{column.id_column} = k.row_id
        WHERE {_stale(column)}
        ORDER BY k.user_id, k.row_id FOR NO KEY UPDATE OF t SKIP LOCKED""",  # noqa: S608 - see above
        *marked,
        [user_id for user_id, _ in keys],
        [row_id for _, row_id in keys],
    )
    return [Value(row["user_id"], row["row_id"], row["sealed"], row["index"]) for row in rows]


async def write(
    tx: Tx, column: SealedColumn, rows: Sequence[tuple[Value, bytes, bytes | None]]
) -> None:
    """Replace values and indexes of locked rows, and the copies of the indexes after them."""
    owned = f"t.{column.user_column} = n.user_id AND " if column.user_column else ""
    index = f", {column.index_column} = n.index" if column.index_column else ""
    await tx.execute(
        f"""UPDATE {column.table} t SET {column.column} = n.sealed{index}
        FROM unnest($1::text[], $2::uuid[], $3::bytea[], $4::bytea[])
            AS n (user_id, row_id, sealed, index)
        WHERE {owned}t.{column.id_column} = n.row_id""",  # noqa: S608 - see above
        [value.user_id for value, _, _ in rows],
        [value.row_id for value, _, _ in rows],
        [sealed for _, sealed, _ in rows],
        [index for _, _, index in rows],
    )
    moved = [
        (value.row_id, value.index, index)
        for value, _, index in rows
        if index is not None and value.index is not None and index != value.index
    ]
    for copy in column.copies if moved else ():
        await _move_copies(tx, copy, moved)


async def _move_copies(tx: Tx, copy: IndexCopy, moved: Sequence[tuple[UUID, bytes, bytes]]) -> None:
    """What already stands under the new index, by a process that knows both, is left alone."""
    beside = "".join(f" AND o.{name} = t.{name}" for name in copy.beside)
    await tx.execute(
        f"""UPDATE {copy.table} t SET {copy.index_column} = n.new
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (row_id, old, new)
        WHERE t.{copy.id_column} = n.row_id AND t.{copy.index_column} = n.old AND NOT EXISTS (
            SELECT FROM {copy.table} o WHERE o.{copy.index_column} = n.new{beside})""",  # noqa: S608 - see above
        [row_id for row_id, _, _ in moved],
        [old for _, old, _ in moved],
        [new for _, _, new in moved],
    )


def _stale(column: SealedColumn) -> str:
    """True for values to be sealed or indexed anew; takes ``_marks`` as first arguments."""
    sealed, index = f"t.{column.column}", f"t.{column.index_column}"
    test = f"substring({sealed} FROM 1 FOR octet_length($1::bytea)) IS DISTINCT FROM $1::bytea"
    if column.index_column:
        test += (
            f" OR substring({index} FROM 1 FOR octet_length($2::bytea)) IS DISTINCT FROM $2::bytea"
            f" OR octet_length({index}) IS DISTINCT FROM $3::integer"
        )
    return f"(octet_length({sealed}) > 0 AND ({test}))"


def _marks(column: SealedColumn, marks: Marks) -> tuple[object, ...]:
    if column.index_column:
        return marks.header, marks.tag, marks.index_bytes
    return (marks.header,)
