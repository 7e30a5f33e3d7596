"""How a user id looks on the wire."""

from typing import Annotated

from pydantic import StringConstraints

from payops.access.domain import USER_ID_PATTERN

UserId = Annotated[str, StringConstraints(pattern=USER_ID_PATTERN)]
