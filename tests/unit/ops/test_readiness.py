"""What production refuses to start with."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from payops.infra.settings import Auth, Environment, Lipana, Pii, Settings, Vault
from payops.ops.examination import of_settings
from payops.ops.readiness import refuse_unsafe, unsafe
from tests.support.tls import Authority

_STRONG = SecretStr("kP9vX2mQ7rT4wY8zB3nL6sD1")


def _database(options: str, host: str = "db.internal") -> str:
    return f"postgresql://payops:kP9vX2mQ7r@{host}/payops?{options}"


def _settings(**groups: Any) -> Settings:
    """A production that may start, but for what ``groups`` say."""
    return Settings(
        env=Environment.PRODUCTION,
        database_url=SecretStr(_database("sslmode=require")),
        public_url="https://pay.betrix.co.ke",
        auth=Auth(jwt_key=_STRONG),
        lipana=Lipana(
            base_url="https://api.lipana.dev/v1", api_key=_STRONG, webhook_secret=_STRONG
        ),
        pii=Pii(keys=_STRONG, index_key=_STRONG),
        **groups,
    )


def _named(settings: Settings) -> list[str]:
    return [fault.split(" ")[0] for fault in unsafe(settings)]


def test_a_whole_configuration_may_start() -> None:
    """Providers of deposits and alert channels are optional."""
    refuse_unsafe(_settings())


def test_development_may_start_with_anything() -> None:
    """Its secrets are made up for the checkout."""
    refuse_unsafe(Settings())


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        (
            {"nowpayments": {"api_key": "kP9vX2mQ7rT4wY8zB3nL6sD1"}},
            ["PAYOPS_NOWPAYMENTS__IPN_SECRET", "PAYOPS_NOWPAYMENTS__BASE_URL"],
        ),
        (
            {
                "nowpayments": {
                    "base_url": "https://api-sandbox.nowpayments.io/v1",
                    "api_key": "kP9vX2mQ7rT4wY8zB3nL6sD1",
                    "ipn_secret": "changeme-changeme-changeme",
                }
            },
            ["PAYOPS_NOWPAYMENTS__IPN_SECRET", "PAYOPS_NOWPAYMENTS__BASE_URL"],
        ),
        (
            {"btcpay": {"base_url": "http://btcpay.internal/api/v1"}},
            [
                "PAYOPS_BTCPAY__API_KEY",
                "PAYOPS_BTCPAY__WEBHOOK_SECRET",
                "PAYOPS_BTCPAY__BASE_URL",
            ],
        ),
    ],
)
def test_a_provider_of_deposits_half_set_up_is_refused(
    groups: dict[str, Any], names: list[str]
) -> None:
    """Without its secret it would take no notification; a sandbox settles play money."""
    settings = _settings(**groups)
    assert names == _named(settings)
    with pytest.raises(ValueError, match="refusing to start in production"):
        refuse_unsafe(settings)


def test_keys_kept_elsewhere_need_not_be_in_the_environment() -> None:
    """A file or Vault holds them; then the variables mean nothing."""
    settings = _settings().model_copy(update={"pii": Pii(key_provider="file", key_file="k")})

    assert [] == _named(settings)


def test_keys_do_not_come_over_plain_http() -> None:
    """Whoever listens on the way to Vault would have them all."""
    vault = Vault(url="http://vault.betrix.co.ke:8200", token=_STRONG)
    settings = _settings().model_copy(update={"pii": Pii(key_provider="vault"), "vault": vault})

    assert ["PAYOPS_VAULT__URL"] == _named(settings)


def _on(url: str) -> Settings:
    return _settings().model_copy(update={"database_url": SecretStr(url)})


@pytest.mark.parametrize("mode", ["", "sslmode=disable", "sslmode=allow", "sslmode=prefer"])
def test_the_books_do_not_cross_a_network_in_the_clear(mode: str) -> None:
    """Nor might they: whoever is in the way says that there is no TLS. On the machine they may."""
    assert ["PAYOPS_DATABASE_URL"] == _named(_on(_database(mode)))
    assert ["PAYOPS_DATABASE_URL"] == _named(_on(_database(mode, "localhost,10.0.0.7")))
    assert [] == _named(_on(_database(mode, "127.0.0.1")))
    assert [] == _named(_on(_database(f"{mode}&host=/run/postgresql", "")))


def test_a_server_that_proves_nothing_is_a_finding_of_the_doctor(tmp_path: Path) -> None:
    """It is encrypted, for whoever answers: not refused, since a network may be its own proof."""
    root = Authority(tmp_path).file

    def found(url: str) -> list[str]:
        return [one.detail for one in of_settings(_on(url), {}) if "does not prove" in one.detail]

    assert ["PAYOPS_DATABASE_URL: sslmode=require does not prove which server answers"] == found(
        _database("sslmode=require")
    )
    assert 1 == len(found(_database(f"sslmode=verify-ca&sslrootcert={root}")))
    assert [] == found(_database(f"sslmode=verify-full&sslrootcert={root}"))
    assert [] == found(_database("sslmode=require", "127.0.0.1"))
