"""Why an alert is not acknowledged."""

from payops.kernel import errors


class AlertNotFound(errors.NotFound):
    code = "alert_not_found"
    title = "There is no such alert"


class AlertResolved(errors.Conflict):
    code = "alert_resolved"
    title = "The alert is over"
