"""PostgreSQL behind TLS: certificates made on the spot, a real server with them, and a stand-in.

The embedded PostgreSQL is built without TLS. Where another installation with TLS is on the
machine, tests run on that one; everywhere they run on a ``front``: this process does what a
server does before the first message, and hands what it has decrypted to the tests' own server.
"""

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import make_url

from payops.dev.postgres import EmbeddedPostgres
from payops.dev.postgres.binaries import CHOICE, installed
from tests.support.embedded import ask
from tests.support.postgres import apart
from tests.support.waiting import eventually
from tests.support.wire import dialled

HOST: Final = "localhost"  # the one name in a server's certificate; 127.0.0.1 is another one
_CHUNK: Final = 65_536
_SSL_REQUEST: Final = bytes.fromhex("0000000804d2162f")
_DAY: Final = timedelta(days=1)


class Authority:
    """Signs certificates; ``file`` is what those who trust it are given."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder / name
        self._folder.mkdir()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = self._certificate(self._name, self._key, is_authority=True)
        self.file = self._written("ca.pem", own.public_bytes(serialization.Encoding.PEM))

    def signs(self, name: str) -> tuple[Path, Path]:
        """A certificate for ``name`` and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certificate(subject, key, is_authority=False)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return (
            self._written(f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM)),
            self._written(f"{name}.key", secret),
        )

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        name = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        assert isinstance(name, str)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.SubjectAlternativeName([_general(name)]), critical=False)
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _written(self, name: str, content: bytes) -> Path:
        path = self._folder / name
        path.touch(0o600)
        path.write_bytes(content)
        return path


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True)
class Secured:
    """A database behind TLS, on a loopback port; the server's certificate names ``HOST``."""

    user: str  # with the password, as in a URL
    port: int
    database: str
    authority: Authority

    @classmethod
    def of(cls, server: str, database: str, authority: Authority) -> "Secured":
        """The server at the URL ``server``, with the name from the URL ``database``."""
        user, _, rest = server.removeprefix("postgresql://").rpartition("@")
        port = int(rest.partition("/")[0].rpartition(":")[2])
        return cls(user, port, database.partition("?")[0].rpartition("/")[2], authority)

    def url(self, *, host: str = HOST, **options: object) -> str:
        said = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{self.user}@{host}:{self.port}/{self.database}?{said}"

    def verified(self, *, host: str = HOST, **options: object) -> str:
        """The URL that production should have."""
        trusted = {"sslrootcert": self.authority.file, **options}
        return self.url(host=host, sslmode="verify-full", **trusted)


@contextmanager
def real_server(authority: Authority) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of its own with ``ssl = on``; skips where no installation was built for it."""
    programs = next((b.bin for b in installed() if _has_tls(b.bin)), None)
    if programs is None:
        pytest.skip("no installation of PostgreSQL here was built with TLS")
    certificate, key = authority.signs(HOST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CHOICE, str(programs))
        server = EmbeddedPostgres.temporary(tcp=True)
    with server:
        data = server.home / "data"
        owner = data.stat()
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            target = data / name
            target.touch(0o600)
            target.write_bytes(source.read_bytes())
            os.chown(target, owner.st_uid, owner.st_gid)
        apart(lambda: _switched_on(server.url))
        yield server


async def _switched_on(url: str) -> None:
    await ask(url, "ALTER SYSTEM SET ssl = 'on'")
    await ask(url, "SELECT pg_reload_conf()")

    async def is_on() -> bool:
        found: bool = (await ask(url, "SELECT current_setting('ssl') = 'on' AS is_on"))[0]["is_on"]
        return found

    await eventually(is_on)


def _has_tls(programs: Path) -> bool:
    with suppress(OSError, subprocess.CalledProcessError):
        said = subprocess.check_output([programs / "pg_config", "--configure"], text=True)
        return "openssl" in said
    return False


@dataclass(frozen=True)
class Front:
    """Where ``fronted`` listens."""

    port: int

    @property
    def url(self) -> str:
        """Without a database; any password will do, for the server behind asks for none."""
        return f"postgresql://payops:any@127.0.0.1:{self.port}/"


@asynccontextmanager
async def fronted(
    url: str, context: ssl.SSLContext | None, *, host: str = "127.0.0.1"
) -> AsyncIterator[Front]:
    """A TLS end before the server at ``url``; without ``context``, of a server that has no TLS."""
    target = make_url(url)
    calls: set[asyncio.Task[None]] = set()

    async def serve(near: asyncio.StreamReader, here: asyncio.StreamWriter) -> None:
        far, there = await dialled(target)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                first = await near.readexactly(len(_SSL_REQUEST))
                asked = first == _SSL_REQUEST
                if asked:
                    here.write(b"S" if context else b"N")
                    await here.drain()
                if asked and context:
                    await here.start_tls(context)
                if not asked:
                    there.write(first)
                await asyncio.gather(_pumped(near, there), _pumped(far, here))
        finally:
            for end in (here, there):
                end.transport.abort()

    def take(near: asyncio.StreamReader, here: asyncio.StreamWriter) -> None:
        call = asyncio.create_task(serve(near, here))
        calls.add(call)
        call.add_done_callback(calls.discard)

    server = await asyncio.start_server(take, host, 0)
    try:
        yield Front(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def _pumped(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
    target.transport.abort()


def context_of(certificate: Path, key: Path, *, clients_of: Path | None = None) -> ssl.SSLContext:
    """A server's; with ``clients_of`` only for clients with a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if clients_of:
        context.load_verify_locations(clients_of)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def is_encrypted(session: Any) -> bool:
    """By the server's own word on this session."""
    found: bool = await session.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    return found
