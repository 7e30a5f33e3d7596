"""One redacted JSON object a line, from our loggers and everybody else's."""

import io
import json
import logging as stdlib
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from payops.infra import logging
from payops.infra.settings import Log


@pytest.fixture
def restored() -> Iterator[None]:
    """Leaves structlog and the root logger as the run had them."""
    kept, root = structlog.get_config(), stdlib.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**kept)
    root.handlers, root.level = handlers, level


@pytest.fixture
def stream(restored: None) -> io.StringIO:
    return io.StringIO()


def pay(number: str) -> None:
    raise ValueError(f"cannot pay {number}")


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_what_is_bound(stream: io.StringIO) -> None:
    """
    Time, level and event first, then the context and the fields.
    """
    logging.configure(Log(), stream=stream)

    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        structlog.get_logger().info("withdrawal.moved", state="sent")

    [line] = lines(stream)
    assert ["timestamp", "level", "event"] == list(line)[:3]
    assert ("info", "withdrawal.moved", "req_1", "sent") == (
        line["level"],
        line["event"],
        line["request_id"],
        line["state"],
    )


def test_a_traceback_has_no_values_in_it(stream: io.StringIO) -> None:
    """
    Neither the local variables nor a number in the message.
    """
    logging.configure(Log(), stream=stream)

    try:
        pay("+254 708 374 149")
    except ValueError:
        structlog.get_logger().exception("payout.failed")

    [line] = lines(stream)
    assert "ValueError: cannot pay [phone]" in line["exception"]
    assert "708 374" not in stream.getvalue()
    assert "Traceback" in line["exception"]


def test_libraries_come_out_in_the_same_form(stream: io.StringIO) -> None:
    """
    The standard library's records are redacted too, tracebacks included.
    """
    logging.configure(Log(), stream=stream)

    try:
        pay("0708374149")
    except ValueError:
        stdlib.getLogger("uvicorn.error").exception("lost %s\n", "sk_test_0123456789")
    stdlib.getLogger("uvicorn.access").info("GET /")
    stdlib.getLogger("httpx").info("POST https://rail/payouts")

    [line] = lines(stream)
    assert "lost [credential]\\x0a" == line["event"]
    assert "ValueError: cannot pay [phone]" in line["exception"]


def test_the_level_is_the_least_that_is_written(stream: io.StringIO) -> None:
    """
    For our loggers and for libraries.
    """
    logging.configure(Log(level="warning"), stream=stream)

    structlog.get_logger().info("not.written")
    stdlib.getLogger("library").info("not written")
    structlog.get_logger().warning("is.written")

    assert ["is.written"] == [line["event"] for line in lines(stream)]


def test_the_console_is_for_people(stream: io.StringIO) -> None:
    """
    Plain text, redacted the same way, without colours where there is no terminal.
    """
    logging.configure(Log(format="console"), stream=stream)

    structlog.get_logger().info("withdrawal.moved", to="0708374149")

    assert "withdrawal.moved" in stream.getvalue()
    assert "[phone]" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_log_that_cannot_be_written_does_not_stop_the_work(restored: None) -> None:
    """
    A full disk or a closed pipe costs log lines and nothing else.
    """

    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError("No space left on device")

    logging.configure(Log(), stream=Full())

    structlog.get_logger().info("withdrawal.moved")
    stdlib.getLogger("library").warning("text")
