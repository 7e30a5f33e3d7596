"""What a pooler in transaction mode would trip over, read off the wire to PostgreSQL.

Such a pooler gives a connection to the server to somebody else after each transaction. A
statement prepared under a name, a setting or a lock of the session stays behind there, and
whoever comes next meets it. Most start-up parameters it refuses outright.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.support.wire import Wire

# What PgBouncer takes from a client without being told to ignore it.
PARAMETERS: Final = frozenset({"user", "database", "client_encoding", "application_name"})

_PROTOCOL_3: Final = 196_608
_OF_SESSIONS: Final = re.compile(
    r"^\s*(?:SET (?!LOCAL |TRANSACTION )|RESET |DISCARD |LISTEN |UNLISTEN |PREPARE |DEALLOCATE )"
    r"|^\s*CREATE (?:LOCAL )?TEMP|\bWITH HOLD\b|pg_(?:try_)?advisory_(?:lock|unlock)"
    # The driver's look-up of types turns this one off, and in the same transaction on again.
    r"|\bset_config\((?!\s*'jit')",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Said:
    """What one connection sent: its start-up parameters, and its statements.

    ``named`` are the names under which statements were prepared, the empty one left out.
    """

    parameters: frozenset[str]
    statements: list[str]
    named: set[str]


def said_on(wire: Wire) -> list[Said]:
    """Of each connection that got as far as starting up."""
    heard = (_heard(bytes(transcript)) for transcript in wire.said)
    return [said for said in heard if said is not None]


def faults_on(wire: Wire) -> list[str]:
    """Everything that such a pooler would not stand; and it is a fault to have said nothing."""
    said = said_on(wire)
    found = [] if any(one.statements for one in said) else ["nothing was said"]
    for one in said:
        found += [f"start-up parameter {name}" for name in sorted(one.parameters - PARAMETERS)]
        found += [f"prepared as {name}" for name in sorted(one.named)]
        found += [
            piece.strip()
            for statement in one.statements
            for piece in statement.split(";")
            if _OF_SESSIONS.search(piece)
        ]
    return found


def _heard(transcript: bytes) -> Said | None:
    parameters, rest = _started(transcript)
    if parameters is None:
        return None
    said = Said(parameters, [], set())
    for kind, body in _messages(rest):
        if kind == b"Q":
            said.statements.append(_text(body))
        elif kind == b"P":
            name, statement, *_ = body.split(b"\0", 2)
            said.statements.append(statement.decode())
            if name:
                said.named.add(name.decode())
    return said


def _started(transcript: bytes) -> tuple[frozenset[str] | None, bytes]:
    """The parameters of the start-up message, and what follows it.

    A request to encrypt may come before it; of a request to cancel there is nothing to tell.
    """
    while len(transcript) >= 8:
        length, code = struct.unpack_from("!II", transcript)
        if code == _PROTOCOL_3:
            words = transcript[8:length].rstrip(b"\0").split(b"\0")
            return frozenset(word.decode() for word in words[::2]), transcript[length:]
        transcript = transcript[length:]
    return None, b""


def _messages(sent: bytes) -> Iterator[tuple[bytes, bytes]]:
    while len(sent) >= 5:
        (length,) = struct.unpack_from("!I", sent, 1)
        yield sent[:1], sent[5 : 1 + length]
        sent = sent[1 + length :]


def _text(body: bytes) -> str:
    return body.rstrip(b"\0").decode()
