"""A small SMTP relay on loopback that keeps what it is given and fails on demand."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.listening import listening


@dataclass
class Relay:
    """``says`` maps a verb to the answer it gets instead of yes; ``HANG`` never answers."""

    says: dict[str, str] = field(default_factory=dict)
    starttls: ssl.SSLContext | None = None
    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        await self._answer(writer, self.says.get("CONNECT", "220 loopback ESMTP"))
        while line := (await reader.readuntil(b"\r\n")).decode().strip():
            verb = line.split(" ")[0].upper()
            self.verbs.append(verb)
            said = self.says.get(line) or self.says.get(verb)
            if said:
                await self._answer(writer, said)
            elif verb == "EHLO":
                await self._answer(writer, self._extensions(writer))
            elif verb == "STARTTLS" and self.starttls:
                await self._answer(writer, "220 go ahead")
                await writer.start_tls(self.starttls)
            elif verb == "AUTH":
                self.logins.append(base64.b64decode(line.split(" ")[2]).decode())
                await self._answer(writer, "235 welcome")
            elif verb == "DATA":
                await self._answer(writer, "354 go on")
                raw = await reader.readuntil(b"\r\n.\r\n")
                await self._keep(writer, raw[:-3], recipients)
            elif verb == "QUIT":
                await self._answer(writer, "221 bye")
                return
            else:
                if verb == "RCPT":
                    recipients.append(line.split("<")[1].split(">")[0])
                await self._answer(writer, "250 fine")

    async def _keep(self, writer: asyncio.StreamWriter, raw: bytes, recipients: list[str]) -> None:
        self.messages.append(message_from_bytes(raw, policy=policy.default))
        self.recipients.append(recipients)
        self.was_encrypted.append(writer.get_extra_info("sslcontext") is not None)
        await self._answer(writer, self.says.get(".", "250 kept"))

    def _extensions(self, writer: asyncio.StreamWriter) -> str:
        offered = ["loopback", "8BITMIME", "AUTH PLAIN"]
        if self.starttls and writer.get_extra_info("sslcontext") is None:
            offered.append("STARTTLS")
        return "\r\n".join([*(f"250-{name}" for name in offered), "250 HELP"])

    async def _answer(self, writer: asyncio.StreamWriter, said: str) -> None:
        if said == HANG:
            await asyncio.sleep(3600)
        if said == DROP:
            raise ConnectionResetError
        writer.write(f"{said}\r\n".encode())
        await writer.drain()


HANG = "hang"
DROP = "drop"


@asynccontextmanager
async def relay(
    *,
    says: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
) -> AsyncIterator[Relay]:
    """A running relay; ``tls`` from the first byte, ``starttls`` when asked."""
    running = Relay(says=dict(says or {}), starttls=starttls)
    async with listening(running.talk, tls) as running.port:
        yield running


def certificates(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for 127.0.0.1, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "loopback.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + pem
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cadata=pem.decode())
    return server, client
