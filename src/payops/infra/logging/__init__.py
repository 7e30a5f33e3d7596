"""Structured logs: one JSON object a line, redacted, for our own events and for libraries'.

Events are ``noun.verb_past`` with ids as fields; what is bound with structlog's contextvars
(``request_id``, ``principal``) stands on every line. A logger never raises into its caller.
"""

import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from payops.infra.logging.redaction import clean_fields, clean_text
from payops.infra.settings import Log

# They log an address or a body at `info`; what matters of that is logged by our own code.
_CHATTY = ("httpx", "httpcore", "apscheduler", "asyncio", "hpack", "alembic.runtime.plugins")
_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
_EXCEPTION = "exception"
_encode = json.JSONEncoder(default=str).encode


def configure(log: Log, *, stream: TextIO) -> None:
    """Send every log line of this process to ``stream``; may be called again.

    ``serve`` gives standard output; a command that prints JSON there gives standard error.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Processor = _render_json if log.format == "json" else _console(stream)
    level = logging.getLevelNamesMapping()[log.level.upper()]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Stream(stream),
        # A logger kept by a module would go on writing to the stream of an earlier call.
        cache_logger_on_first_use=False,
    )
    _route_stdlib(shared, render, level, stream)


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take out what may not be logged; should that fail, take out everything."""
    try:
        exception = event.pop(_EXCEPTION, None)
        record, from_structlog = event.pop("_record", None), event.pop("_from_structlog", None)
        cleaned = clean_fields(event)
        if exception is not None:
            cleaned[_EXCEPTION] = clean_text(str(exception), keep_layout=True)
        if from_structlog is not None:  # what structlog's formatter looks for afterwards
            cleaned["_record"], cleaned["_from_structlog"] = record, from_structlog
    except Exception as error:  # noqa: BLE001 - a log line may be lost, the work may not
        return {"event": "log.unprintable", "level": "error", "error": type(error).__name__}
    return cleaned


class _Stream:
    """Writes lines; a full disk or a closed pipe stops the log and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    debug = info = warning = error = critical = fatal = exception = log = msg


class _Handler(logging.StreamHandler[TextIO]):
    """Ours among the root logger's handlers; errors of writing are dropped, as above."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - their name
        """Drop ``record``: the default prints it, unredacted, to standard error."""


def _render_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    first = {name: event.pop(name, None) for name in ("timestamp", "level", "event")}
    return _encode({**first, **event})


def _console(stream: TextIO) -> Processor:
    render: Callable[..., Any] = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    return render


def _route_stdlib(shared: list[Processor], render: Processor, level: int, stream: TextIO) -> None:
    """Everything that logs through the standard library comes out in the same form."""
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers = [*(h for h in root.handlers if not isinstance(h, _Handler)), handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in _UVICORN:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    # One line a request, and ours knows the operation and the principal.
    logging.getLogger("uvicorn.access").disabled = True
