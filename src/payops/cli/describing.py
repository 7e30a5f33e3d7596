"""Documents made from the code, so that they cannot drift from it."""

from typing import Any

from pydantic import SecretStr

from payops import bootstrap
from payops.app import create_app
from payops.dev import secrets
from payops.infra.settings import Lipana, Settings


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document; needs no configuration and no database."""
    made_up = secrets.made_up()
    settings = Settings(
        database_url=SecretStr("postgresql://nobody@127.0.0.1/none"),
        lipana=Lipana(
            api_key=SecretStr(made_up["PAYOPS_LIPANA__API_KEY"]),
            webhook_secret=SecretStr(made_up["PAYOPS_LIPANA__WEBHOOK_SECRET"]),
        ),
    )
    document: dict[str, Any] = create_app(bootstrap.build(settings)).openapi()
    return document
