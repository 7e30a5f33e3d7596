"""The one way to a connection: pool, migrations, listener and tools all come here.

What an URL means is read in ``payops.infra.settings.database``; here it becomes what the driver
takes, and the servers of an URL with several are tried one by one.
"""

from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from payops.infra.settings.database import Address, address_of, is_socket


class WrongServer(ConnectionError):
    """What answers is not what ``target_session_attrs`` asks for."""


async def opened(address: Address, *, timeout_seconds: int, **options: Any) -> Any:
    """A connection of the driver's, to the first server that can be used; ``options`` are its own.

    ``timeout_seconds`` is for each server, as with libpq: the driver's own is for all together,
    and a machine that is switched off would use it up for those after it. The URL's goes first.

    Raises:
        OSError: nothing can be reached, or nothing that was meant; that includes TLS.
        asyncpg.PostgresError: the server refuses.
    """
    failures: list[Exception] = []
    for host, port in address.hosts:
        try:
            return await asyncpg.connect(
                address.dsn,
                host=host,
                port=port,
                user=address.user,
                password=address.password,
                database=address.database,
                ssl=False if is_socket(host) else address.sslmode,
                target_session_attrs=address.session,
                timeout=address.timeout_seconds or timeout_seconds,
                **options,
            )
        except asyncpg.TargetServerAttributeNotMatched:
            failures.append(WrongServer(f"no server is {address.session}"))
        except (OSError, asyncpg.CannotConnectNowError) as error:
            # Another server may do better. A wrong password is wrong everywhere, and is told.
            failures.append(error)
    raise failures[-1]


def engine_on(
    url: str, *, timeout_seconds: int, statement_cache_size: int, **pooling: Any
) -> AsyncEngine:
    """SQLAlchemy's pool of such connections; made without connecting.

    Raises:
        BadAddress: ``url`` cannot be used.
    """
    address = address_of(url)

    async def open_one(**options: Any) -> Any:
        return await opened(address, timeout_seconds=timeout_seconds, **options)

    return create_async_engine(
        "postgresql+asyncpg://",
        connect_args={
            "async_creator_fn": open_one,
            "statement_cache_size": statement_cache_size,
            "prepared_statement_cache_size": statement_cache_size,
        },
        **pooling,
    )
