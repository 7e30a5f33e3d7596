"""Why an alert is not acknowledged, and not closed."""

from payops.kernel import errors


class AlertNotFound(errors.NotFound):
    code = "alert_not_found"
    title = "There is no such alert"


class AlertResolved(errors.Conflict):
    code = "alert_resolved"
    title = "The alert is over"


class AlertStands(errors.Conflict):
    code = "alert_stands"
    title = "The alert ends with its cause"
