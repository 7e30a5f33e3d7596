"""Who may call the operator's routes, and the refusals that all of them share."""

from typing import Annotated

from fastapi import Depends

from payops.access.api import requires
from payops.access.domain import Principal, Scope
from payops.infra.web.wire import problems

Reader = Annotated[Principal, Depends(requires(Scope.OPS_READ))]
Writer = Annotated[Principal, Depends(requires(Scope.OPS_WRITE))]
Approver = Annotated[Principal, Depends(requires(Scope.OPS_APPROVE))]
Auditor = Annotated[Principal, Depends(requires(Scope.AUDIT_READ))]
PersonalDataReader = Annotated[Principal, Depends(requires(Scope.PII_READ))]

READ = problems(401, 403, 422, 429, 503)
FOUND = problems(401, 403, 404, 422, 429, 503)  # of one thing, which may not be there
ACT = problems(401, 403, 404, 409, 422, 429, 503)
ACT_WITH_BODY = problems(400, 401, 403, 404, 409, 413, 422, 429, 503)
