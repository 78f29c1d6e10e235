"""Logs: one JSON object a line, with the service and the correlation id, and never what people said."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from chassis import correlation

PERSONAL = frozenset(
    {"text", "token", "ticket", "password", "authorization", "cookie", "answers", "email", "ip", "secret", "key"}
)
"""Keys whose values never reach a log, whoever passes them."""

_NOISY = ("pika", "urllib3", "pymongo", "amqp", "kombu", "werkzeug")


def configure(service: str, level: str = "INFO") -> None:
    """Send every line, also those of libraries that use ``logging``, to standard output as JSON."""
    shared = _processors(service)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = _StandardOutput()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [other for other in root.handlers if not isinstance(other, _StandardOutput)] + [handler]
    root.setLevel(level.upper())
    for library in _NOISY:
        logging.getLogger(library).setLevel(logging.WARNING)


class _StandardOutput(logging.Handler):
    """Writes to what is standard output at that moment, not to what it was when logs were configured."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stdout.write(self.format(record) + "\n")
            sys.stdout.flush()
        except Exception:  # noqa: BLE001 - logging's own rule: a line that cannot be written is no reason to fail
            self.handleError(record)


def _processors(service: str) -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _origin(service),
        _without_personal,
        structlog.processors.format_exc_info,
    ]


def _origin(service: str) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line["service"] = service
        line.setdefault("correlation_id", correlation.current())
        return line

    return add


def _without_personal(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in [name for name in line if name.lower() in PERSONAL]:
        del line[name]
    return line
