"""Where the database is: a URL as libpq takes it, with libpq's ``PG*`` variables beside it.

Read here once, strictly, and nowhere else: what connects is given the result. The driver alone
would hand an option that it does not know to the server, or leave it out. No error repeats any
part of the URL that could belong to a password.
"""

import os
import re
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlencode

# Weakest first. Up to `prefer` a connection may be in the clear; only the last knows the server.
_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ENCRYPTED: Final = frozenset(_MODES[3:])
_PORT: Final = 5432
_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# The service writes: libpq's standby, prefer-standby and read-only would lead it astray.
_SESSIONS: Final = ("any", "primary", "read-write")

# Understood by the driver under these names, and handed on to it.
_FILES: Final = ("sslrootcert", "sslcrl", "sslcert", "sslkey")
_HANDED_ON: Final = (
    *_FILES,
    *("sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
    *("passfile", "application_name", "options"),
)
_TAKEN_OUT: Final = (
    *("host", "port", "user", "password", "dbname"),
    *("sslmode", "target_session_attrs", "connect_timeout"),
)
_UNDERSTOOD: Final = frozenset((*_HANDED_ON, *_TAKEN_OUT))

_URL: Final = re.compile(
    r"postgres(?:ql)?(?:\+[a-z0-9]+)?://"
    r"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<hosts>[^@/?#]*)(?:/(?P<dbname>[^@/?#]*))?(?:\?(?P<options>[^@#]*))?"
)
_ONE_HOST: Final = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d+))?")


class BadAddress(ValueError):
    """A database URL that cannot be used; the text says why and shows nothing secret."""


@dataclass(frozen=True, slots=True)
class Address:
    """One database: where its servers are, in the order to be tried, and how they are spoken to.

    ``hosts`` are names or addresses, or the folder of a unix socket, each with its port; neither
    is said where the driver's own default is meant. What is ``None`` comes from ``PG*`` then.
    """

    hosts: tuple[tuple[str | None, int | None], ...]
    user: str | None
    password: str | None = field(repr=False)
    database: str | None
    sslmode: str
    session: str
    timeout_seconds: int | None
    options: Mapping[str, str] = field(repr=False)

    @property
    def dsn(self) -> str:
        """The options that the driver takes from a URL only, and none but those."""
        return f"postgresql://?{urlencode(self.options, quote_via=quote)}"

    @property
    def leaves_the_machine(self) -> bool:
        """Whether a server is beyond unix sockets and loopback."""
        return any(not _is_here(host) for host, _ in self.hosts)

    @property
    def is_encrypted(self) -> bool:
        """Whether nothing is ever said in the clear to a server elsewhere."""
        return not self.leaves_the_machine or self.sslmode in _ENCRYPTED

    @property
    def is_verified(self) -> bool:
        """Whether a server elsewhere must also prove that it is the one that was meant."""
        return not self.leaves_the_machine or self.sslmode == "verify-full"


def is_socket(host: str | None) -> bool:
    """Whether ``host`` is the folder of a unix socket, on which TLS is neither had nor needed."""
    return host is not None and host.startswith("/")


def address_of(url: str, environ: Mapping[str, str] = os.environ) -> Address:
    """What ``url`` means; files that it names are looked into.

    Raises:
        BadAddress: an option is unknown, out of range, said twice, or at odds with another.
    """
    said = _said_in(url)
    mode = _one_of(_MODES, "sslmode", said, environ, "prefer")
    address = Address(
        hosts=_hosts(said.get("host"), said.get("port"), environ),
        user=said.get("user"),
        password=said.get("password"),
        database=said.get("dbname"),
        sslmode=mode,
        session=_one_of(_SESSIONS, "target_session_attrs", said, environ, "any"),
        timeout_seconds=_seconds(said.get("connect_timeout") or environ.get("PGCONNECT_TIMEOUT")),
        options={name: said[name] for name in _HANDED_ON if name in said},
    )
    if not all(is_socket(host) for host, _ in address.hosts):
        _check_tls(mode, address.options, environ)
    return address


def _said_in(url: str) -> dict[str, str]:
    """Everything that ``url`` says, by libpq's names; each once, and none empty."""
    parts = _URL.fullmatch(url)
    if parts is None:
        raise BadAddress(
            "is no URL of a database: postgresql://user:password@host:port/name?sslmode=verify-full"
            ", with : / ? # @ [ ] in a user, password or value percent-encoded"
        )
    places = {"host": "hosts", "user": "user", "password": "password", "dbname": "dbname"}
    named = [(name, unquote(parts[place] or "")) for name, place in places.items()]
    pairs = [pair for pair in named if pair[1]]
    for option in filter(None, (parts["options"] or "").split("&")):
        name, _, value = option.partition("=")
        if name not in _UNDERSTOOD:
            shown = name if re.fullmatch(r"[a-z_]{1,40}", name) else "an option of it"
            raise BadAddress(
                f"{shown} is not understood; options are {', '.join(sorted(_UNDERSTOOD))}"
            )
        if not value:
            raise BadAddress(f"{name} is empty")
        pairs.append((name, unquote(value)))
    if twice := [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]:
        raise BadAddress(f"{twice[0]} is said twice")
    return dict(pairs)


def _one_of(
    choices: tuple[str, ...],
    name: str,
    said: Mapping[str, str],
    environ: Mapping[str, str],
    default: str,
) -> str:
    variable = f"PG{name.replace('_', '').upper()}"
    value = said.get(name) or environ.get(variable) or default
    if value not in choices:
        told = name if name in said else f"{variable} beside it"
        raise BadAddress(f"{told} must be one of {', '.join(choices)}")
    return value


def _seconds(value: str | None) -> int | None:
    if value is None or value == "":
        return None
    if not re.fullmatch(r"[1-9]\d{0,3}", value):
        raise BadAddress("connect_timeout must be whole seconds, at least 1")
    return int(value)


def _hosts(
    hosts: str | None, ports: str | None, environ: Mapping[str, str]
) -> tuple[tuple[str | None, int | None], ...]:
    found = [_host(one) for one in (hosts or environ.get("PGHOST") or "").split(",")]
    if len(found) > 1 and not all(host for host, _ in found):
        raise BadAddress("one of its hosts is empty")
    if any(port for _, port in found):
        if ports:
            raise BadAddress("port is said twice")
        return tuple((host, port or _PORT) for host, port in found)
    given = (ports or environ.get("PGPORT") or "").split(",")
    if len(given) not in (1, len(found)):
        raise BadAddress(f"it has {len(given)} ports for {len(found)} hosts")
    defaults = given if len(given) > 1 else given * len(found)
    return tuple((host, _port(default)) for (host, _), default in zip(found, defaults, strict=True))


def _host(said: str) -> tuple[str | None, int | None]:
    if is_socket(said):
        return said, None
    parts = _ONE_HOST.fullmatch(said)
    if parts is None:
        raise BadAddress("a host of it is none: write name, name:port, or [IPv6]:port")
    host = parts["six"] or parts["name"] or None
    if parts["port"] and host is None:
        raise BadAddress("it has a port and no host")
    return host, _port(parts["port"] or "")


def _port(said: str) -> int | None:
    if not said:
        return None
    if not said.isdecimal() or not 1 <= int(said) <= 65_535:
        raise BadAddress("port must be a number up to 65535")
    return int(said)


def _is_here(host: str | None) -> bool:
    if host is None or is_socket(host) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_tls(mode: str, options: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Whether ``options`` agree with ``mode`` and each other, and their files can be used."""
    unused = [name for name in ("sslrootcert", "sslcrl") if name in options]
    if unused and mode not in _ENCRYPTED:
        raise BadAddress(f"{unused[0]} has no effect with sslmode={mode}: use verify-full")
    if options.get("sslrootcert") == "system":
        raise BadAddress(
            "sslrootcert must be a file; the system's is often /etc/ssl/certs/ca-certificates.crt"
        )
    direct = options.get("sslnegotiation") or environ.get("PGSSLNEGOTIATION") or "postgres"
    if direct not in ("postgres", "direct"):
        raise BadAddress("sslnegotiation must be one of postgres, direct")
    if direct == "direct" and mode not in _ENCRYPTED:
        raise BadAddress("sslnegotiation=direct needs sslmode=verify-full")
    versions = [options.get(f"ssl_{end}_protocol_version") for end in ("min", "max")]
    if any(version and version not in _VERSIONS for version in versions):
        raise BadAddress(f"a TLS version must be one of {', '.join(_VERSIONS)}")
    least, most = versions
    if least and most and _VERSIONS.index(least) > _VERSIONS.index(most):
        raise BadAddress("ssl_min_protocol_version is newer than ssl_max_protocol_version")
    if mode != "disable":
        _check_files(mode, options, environ)


def _check_files(mode: str, options: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Load what the driver will load at each connection: a fault is a setting's, not an outage."""
    files = {name: options.get(name) or environ.get(f"PG{name.upper()}") for name in _FILES}
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    at_home = _root_at_home()
    root = files["sslrootcert"] or at_home
    if root is None and mode.startswith("verify"):
        raise BadAddress(f"sslmode={mode} needs sslrootcert, the authority's certificate")
    for name, file in (("sslrootcert", root), ("sslcrl", files["sslcrl"])):
        if file and mode in _ENCRYPTED:
            try:
                trial.load_verify_locations(cafile=file)
            except (OSError, ValueError) as error:
                why = _reason(error, "nothing of the kind in PEM")
                raise BadAddress(f"{name} cannot be used: {why}") from None
    if bool(files["sslcert"]) != bool(files["sslkey"]):
        raise BadAddress("sslcert and sslkey need each other")
    if files["sslcert"]:
        try:
            trial.load_cert_chain(
                files["sslcert"], files["sslkey"], lambda: options.get("sslpassword", "")
            )
        except (OSError, ValueError) as error:
            why = _reason(error, "not a certificate and its key in PEM, or sslpassword is wrong")
            raise BadAddress(f"sslcert and sslkey cannot be used: {why}") from None


def _root_at_home() -> str | None:
    """Where libpq and the driver look for one that nobody named."""
    try:
        root = Path.home() / ".postgresql" / "root.crt"
        return str(root) if root.exists() else None
    except RuntimeError:  # a service may have no home
        return None
    except OSError as error:
        # The driver looks there at every connection, whatever is named, and fails as we do here.
        raise BadAddress(f"~/.postgresql cannot be looked into: {error.strerror}") from None


def _reason(error: OSError | ValueError, otherwise: str) -> str:
    """The system's word for it; OpenSSL's own words help nobody."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return error.strerror or type(error).__name__
    return otherwise
