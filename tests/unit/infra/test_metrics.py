"""What is counted can be read, and counting never fails."""

from payops.infra.metrics import Metrics


def metrics() -> Metrics:
    return Metrics(process=False)


def test_a_request_is_counted_by_operation_and_class_of_status() -> None:
    """
    The labels are from closed sets: an invented method is ``other``.
    """
    counted = metrics()

    counted.observe_request("requestWithdrawal", "POST", 202, 0.02)
    counted.observe_request("requestWithdrawal", "BREW", 422, 0.02)

    text = counted.render().decode()
    labels = 'operation="requestWithdrawal",status='
    assert f'payops_http_request_seconds_count{{method="POST",{labels}"2xx"}} 1.0' in text
    assert f'payops_http_request_seconds_count{{method="other",{labels}"4xx"}} 1.0' in text


def test_a_state_that_emptied_shows_nought() -> None:
    """
    Figures are replaced as a whole: what is no longer there does not stay at its last value.
    """
    counted = metrics()

    counted.set_withdrawals({"sent": 3, "unresolved": 1})
    counted.set_withdrawals({"sent": 2})

    text = counted.render().decode()
    assert 'payops_withdrawals{state="sent"} 2.0' in text
    assert 'payops_withdrawals{state="unresolved"} 0.0' in text


def test_counting_never_fails() -> None:
    """
    Nonsense is dropped; a figure that cannot be read does not stop the others.
    """
    counted = metrics()
    counted.on_render(lambda: 1 / 0)  # type: ignore[arg-type]

    counted.set_withdrawals({"sent": "many"})  # type: ignore[dict-item]
    counted.observe_job("retention", "failed", None)  # type: ignore[arg-type]

    assert b"payops_inbox_lag_seconds" in counted.render()


def test_two_registries_do_not_share_anything() -> None:
    """
    Each process, and each test, builds its own.
    """
    one, other = metrics(), metrics()

    one.count_callback("lipana", "new")

    assert b'outcome="new"' in one.render()
    assert b'outcome="new"' not in other.render()


def test_a_process_shows_its_memory() -> None:
    """
    In production the figures of the process are there as well.
    """
    assert b"process_resident_memory_bytes" in Metrics().render()


def test_no_label_can_hold_a_number() -> None:
    """
    Labels are named here one by one: whose values come from outside is not among them.
    """
    closed = {
        *("operation", "method", "status", "code", "state", "currency", "rail", "call", "kind"),
        *("severity", "channel", "outcome", "provider", "phase", "source", "job", "batch"),
    }
    counted = metrics()

    labels = {
        label
        for collector in counted.registry._collector_to_names
        for label in getattr(collector, "_labelnames", ())
    }
    counted.observe_request("createInvoice", "254700000012", 200, 0.1)

    assert set() == labels - closed
    assert "254700000012" not in counted.render().decode()
