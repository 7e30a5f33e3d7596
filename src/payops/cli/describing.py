"""Documents made from the code, so that they cannot drift from it."""

from typing import Any

from pydantic import SecretStr

from payops import bootstrap
from payops.app import create_app
from payops.dev import secrets
from payops.infra.settings import Auth, Environment, Lipana, Pii, Role, Settings


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document; needs no configuration and no database, and heeds neither."""
    made_up = {name: SecretStr(value) for name, value in secrets.made_up().items()}
    settings = Settings(
        env=Environment.DEVELOPMENT,
        role=Role.ALL,
        database_url=SecretStr("postgresql://nobody@/none?host=/nowhere"),
        auth=Auth(jwt_key=made_up["PAYOPS_AUTH__JWT_KEY"]),
        pii=Pii(
            keys=made_up["PAYOPS_PII__KEYS"],
            index_key=made_up["PAYOPS_PII__INDEX_KEY"],
        ),
        lipana=Lipana(
            api_key=made_up["PAYOPS_LIPANA__API_KEY"],
            webhook_secret=made_up["PAYOPS_LIPANA__WEBHOOK_SECRET"],
        ),
    )
    document: dict[str, Any] = create_app(bootstrap.build(settings)).openapi()
    return document
