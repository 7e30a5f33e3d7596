"""What every slice stands on in one process: the database, the network, the keys, the gate."""

import os
import socket
from dataclasses import dataclass

from pydantic import SecretStr

from payops.access import service as access
from payops.access.api import Gate
from payops.infra import db as database
from payops.infra.db import Database
from payops.infra.http import HttpClient
from payops.infra.listening import Listener, Wakeups
from payops.infra.metrics import Metrics
from payops.infra.settings import Environment, Settings
from payops.infra.web.limiting import RateLimit
from payops.ops import evidence
from payops.pii.domain import Quota
from payops.pii.sealing import Fingerprints, Keys
from payops.pii.service import KeyRefresh, PersonalData
from payops.providers.keys.choosing import key_provider
from payops.switches.service import TOPIC as SWITCHES_TOPIC
from payops.switches.service import Switchboard


class NotConfigured(ValueError):
    """A setting that this role needs is missing; the text names the variable."""


@dataclass(frozen=True, slots=True)
class Foundation:
    """What every slice stands on, in this process."""

    db: Database
    http: HttpClient
    metrics: Metrics
    wakeups: Wakeups
    listener: Listener | None
    personal_data: PersonalData
    key_refresh: KeyRefresh
    fingerprints: Fingerprints
    switchboard: Switchboard


def laid(settings: Settings, keys: Keys) -> Foundation:
    """Connected to nothing yet. Raises ``NotConfigured``."""
    url = needed(settings.database_url, "PAYOPS_DATABASE_URL")
    refresh = KeyRefresh(key_provider(settings))
    personal_data = PersonalData(
        keys,
        journal=evidence.note,
        quota=Quota(settings.pii.reads_per_hour, settings.pii.reads_per_day),
        unknown_key=refresh.ask,
    )
    refresh.serve(personal_data)
    db = database.connect(
        url,
        pool_size=settings.pool.size,
        statement_cache_size=settings.pool.statement_cache_size,
        notify=settings.pool.listen,
    )
    metrics, wakeups, switchboard = Metrics(), Wakeups(), Switchboard()
    wakeups.call(SWITCHES_TOPIC, switchboard.forget)
    db.on_wake(wakeups.wake)
    metrics.on_render(lambda: metrics.set_pool(db.pool_status()))
    return Foundation(
        db=db,
        http=HttpClient(
            timeout_seconds=settings.lipana.timeout_seconds,
            # A call that waits for a connection of ours would look like the rail's outage.
            connections_max=2 * settings.worker.concurrency
            + 2 * settings.reconciliation.mpesa_concurrency
            + 8,
        ),
        metrics=metrics,
        wakeups=wakeups,
        listener=_listener(url, wakeups, metrics) if settings.pool.listen else None,
        personal_data=personal_data,
        key_refresh=refresh,
        fingerprints=keys.fingerprints,
        switchboard=switchboard,
    )


def needed(secret: SecretStr | None, name: str) -> str:
    """Raises ``NotConfigured``."""
    if secret is None:
        raise NotConfigured(f"{name} is not set")
    return secret.get_secret_value()


def replica_name() -> str:
    """Which process wrote a row: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def key_verifier(settings: Settings, base: Foundation) -> access.KeyVerifier:
    keys = access.KeyVerifier(
        base.db,
        live=settings.env is Environment.PRODUCTION,
        cache_seconds=settings.auth.key_cache_seconds,
    )
    base.wakeups.call(access.KEYS_TOPIC, keys.forget)
    return keys


def gate(settings: Settings, keys: access.KeyVerifier, http: HttpClient) -> Gate:
    async def fetch(url: str) -> bytes:
        return (await http.request("GET", url)).body

    source = access.key_source_of(settings.auth, fetch)
    tokens = access.TokenVerifier(settings.auth, source)
    return Gate(access.Authenticator(keys, tokens), RateLimit(settings.http.rate_limit_per_minute))


def _listener(url: str, wakeups: Wakeups, metrics: Metrics) -> Listener:
    return Listener(
        url, wakeups, changed=lambda connected: metrics.set_listening(is_connected=connected)
    )
