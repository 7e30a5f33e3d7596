"""What the URL of a database means: as libpq has it, or refused, and never shown."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from payops.infra.settings import Settings
from payops.infra.settings.database import Address, BadAddress, address_of
from tests.support.tls import Authority

SECRET = "kP9vX2mQ7r"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def read(rest: str, **environ: str) -> Address:
    return address_of(f"postgresql://payops:{SECRET}@{rest}", environ)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u@db.internal/x", [("db.internal", None)]),
        ("postgres://u@db.internal:6432/x", [("db.internal", 6432)]),
        ("postgresql+asyncpg://u@db.internal/x", [("db.internal", None)]),
        ("postgresql://u@[2001:db8::7]:5433/x", [("2001:db8::7", 5433)]),
        ("postgresql://u@[::1],[::2]:2/x", [("::1", 5432), ("::2", 2)]),
        ("postgresql://u@a:1,b:2/x", [("a", 1), ("b", 2)]),
        ("postgresql://u@a,b/x?port=6432", [("a", 6432), ("b", 6432)]),
        ("postgresql://u@/x?host=a,b&port=1,2", [("a", 1), ("b", 2)]),
        ("postgresql://u@/x?host=/run/postgresql&port=5433", [("/run/postgresql", 5433)]),
        ("postgresql://u@%2Frun%2Fpostgresql/x", [("/run/postgresql", None)]),
        ("postgresql:///x", [(None, None)]),
        ("postgresql://", [(None, None)]),
    ],
)
def test_a_server_is_found_however_it_is_written(url: str, hosts: list[Any]) -> None:
    """A name, an address of either kind, a socket's folder, several, or the driver's default."""
    assert hosts == list(address_of(url, {}).hosts)


def test_what_the_url_leaves_out_the_environment_says() -> None:
    """And the URL goes before it."""
    environ = {
        "PGHOST": "a,b",
        "PGPORT": "1,2",
        "PGSSLMODE": "require",
        "PGTARGETSESSIONATTRS": "read-write",
        "PGCONNECT_TIMEOUT": "7",
    }

    left_out = address_of("postgresql://", environ)
    said = address_of(
        "postgresql://c:3/?sslmode=disable&target_session_attrs=any&connect_timeout=2", environ
    )

    assert (("a", 1), ("b", 2)) == left_out.hosts
    assert ("require", "read-write", 7) == (
        left_out.sslmode,
        left_out.session,
        left_out.timeout_seconds,
    )
    assert (("c", 3),) == said.hosts
    assert ("disable", "any", 2) == (said.sslmode, said.session, said.timeout_seconds)


def test_what_is_percent_encoded_is_decoded_and_a_plus_is_a_plus() -> None:
    """As libpq does; a form would make a space of it."""
    address = address_of(
        "postgresql://an%40user:%2F%3F%23%5B+@h/na%2Fme?application_name=a+b%20c", {}
    )

    assert ("an@user", "/?#[+", "na/me") == (address.user, address.password, address.database)
    assert {"application_name": "a+b c"} == address.options
    assert "postgresql://?application_name=a%2Bb%20c" == address.dsn


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("h/x?sslmode=verify", "sslmode must be one of disable"),
        ("h/x?sslmode=", "sslmode is empty"),
        ("h/x?sslmode=disable&sslmode=require", "sslmode is said twice"),
        ("h/x?ssl=require", "ssl is not understood"),
        ("h/x?sslmod=require", "sslmod is not understood"),
        ("h/x?channel_binding=require", "channel_binding is not understood"),
        ("h/x?statement_timeout=5", "statement_timeout is not understood"),
        ("h/x?host=other", "host is said twice"),
        ("h:1/x?port=2", "port is said twice"),
        ("h/x?password=other", "password is said twice"),
        ("a,b/x?port=1,2,3", "3 ports for 2 hosts"),
        ("a,,b/x", "one of its hosts is empty"),
        (":5433/x", "a port and no host"),
        ("h:99999/x", "port must be a number"),
        ("h/x?port=many", "port must be a number"),
        ("h/x?connect_timeout=soon", "connect_timeout must be whole seconds"),
        ("h/x?connect_timeout=0", "connect_timeout must be whole seconds"),
        ("h/x?target_session_attrs=standby", "target_session_attrs must be one of any"),
        ("h/x?sslrootcert=ca.pem", "sslrootcert has no effect with sslmode=prefer"),
        ("h/x?sslmode=verify-full", "sslmode=verify-full needs sslrootcert"),
        ("h/x?sslmode=verify-ca", "sslmode=verify-ca needs sslrootcert"),
        ("h/x?sslmode=verify-full&sslrootcert=system", "sslrootcert must be a file"),
        ("h/x?sslmode=verify-full&sslrootcert=/nowhere/ca", "sslrootcert cannot be used: No such"),
        ("h/x?sslmode=require&sslkey=/nowhere/key", "sslcert and sslkey need each other"),
        ("h/x?sslmode=require&sslcert=/a&sslkey=/b", "sslcert and sslkey cannot be used: No such"),
        ("h/x?sslnegotiation=direct", "sslnegotiation=direct needs"),
        ("h/x?sslnegotiation=never", "sslnegotiation must be one of"),
        ("h/x?ssl_min_protocol_version=SSLv3", "a TLS version must be one of"),
        (
            "h/x?ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2",
            "ssl_min_protocol_version is newer",
        ),
    ],
)
def test_what_is_unknown_or_at_odds_is_said_at_once(
    rest: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the setting is read, by its own name, and not as an outage at three in the morning."""
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(BadAddress, match=words) as refused:
        read(rest)

    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://u:s3cr3tpart@h/x",
        "postgresql://u:a@s3cr3tpart@h/x",
        "postgresql://u:a/s3cr3tpart@h/x",
        "postgresql://u:a?s3cr3tpart@h/x?sslmode=require",
        "postgresql://u:a?s3cr3tpart=1@h/x",
        "postgresql://u:a#s3cr3tpart@h/x",
        "postgresql://u:s3cr3tpart",
        "postgresql://u:s3cr3tpart/x",
        "postgresql://h/x?s3cr3tpart=5",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    """Whatever stands in the wrong place in it may be half of a password."""
    with pytest.raises(BadAddress) as refused:
        address_of(url, {})
    with pytest.raises(ValidationError) as invalid:
        Settings(database_url=SecretStr(url))

    assert "s3cr3tpart" not in str(refused.value)
    assert "s3cr3tpart" not in str(invalid.value)


def test_a_bad_value_beside_the_url_is_told_by_the_variable_s_name() -> None:
    """The URL is then not what must be corrected."""
    with pytest.raises(BadAddress, match="PGSSLMODE beside it must be one of disable"):
        read("h/x", PGSSLMODE="on")


def test_the_files_are_looked_into(authority: Authority, tmp_path: Path) -> None:
    """A wrong one is a fault of the setting: later it would look like an outage."""
    root = authority.file
    certificate, key = authority.signs("payops")
    other, _ = authority.signs("other")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    full = f"h/x?sslmode=verify-full&sslrootcert={root}"

    assert "verify-full" == read(full).sslmode
    assert read(f"{full}&sslcert={certificate}&sslkey={key}").options["sslkey"] == str(key)
    assert "verify-ca" == read("h/x?sslmode=verify-ca", PGSSLROOTCERT=str(root)).sslmode
    with pytest.raises(BadAddress, match="sslrootcert cannot be used: nothing of the kind in PEM"):
        read(f"h/x?sslmode=verify-full&sslrootcert={nonsense}")
    with pytest.raises(BadAddress, match="sslcert and sslkey cannot be used: not a certificate"):
        read(f"{full}&sslcert={other}&sslkey={key}")
    with pytest.raises(BadAddress, match="sslcrl cannot be used"):
        read(f"{full}&sslcrl={nonsense}")


def test_the_authority_at_home_is_used_as_libpq_uses_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``~/.postgresql/root.crt``, when no other is named."""
    folder = tmp_path / "home" / ".postgresql"
    folder.mkdir(parents=True)
    (folder / "root.crt").write_bytes(authority.file.read_bytes())
    monkeypatch.setenv("HOME", str(folder.parent))

    assert "verify-full" == read("h/x?sslmode=verify-full").sslmode


def test_a_home_that_is_closed_to_us_is_told(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver would look into it for a key, and call what happens an outage."""
    monkeypatch.setenv("HOME", f"/{'x' * 300}")  # no name of a folder may be so long

    with pytest.raises(BadAddress, match=r"~/\.postgresql cannot be looked into"):
        read(f"h/x?sslmode=verify-full&sslrootcert={authority.file}")


def test_tls_is_nothing_to_a_socket() -> None:
    """As with libpq: its modes are for the network, and a laptop's ``PGSSLMODE`` does no harm."""
    address = address_of("postgresql://u@/x?host=/run/postgresql", {"PGSSLMODE": "verify-full"})

    assert not address.leaves_the_machine
    assert address.is_encrypted
    assert address.is_verified


@pytest.mark.parametrize(
    ("rest", "leaves", "encrypted"),
    [
        ("localhost/x", False, True),
        ("127.0.0.2/x", False, True),
        ("[::1]/x", False, True),
        ("localhost,db.internal/x", True, False),
        ("10.0.0.7/x", True, False),
        ("db.internal/x?sslmode=disable", True, False),
        ("db.internal/x?sslmode=allow", True, False),
        ("db.internal/x?sslmode=require", True, True),
    ],
)
def test_what_crosses_a_network_in_the_clear_is_known(
    rest: str, *, leaves: bool, encrypted: bool
) -> None:
    """``prefer``, which is what is meant when nothing is said, settles for it too."""
    address = read(rest)

    assert (leaves, encrypted) == (address.leaves_the_machine, address.is_encrypted)
    assert address.is_verified != leaves


def test_an_address_in_a_log_has_no_password() -> None:
    """Nor what it takes to open a key."""
    shown = repr(read("h/x?application_name=x"))

    assert SECRET not in shown
    assert "h" in shown
