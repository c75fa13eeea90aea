"""How log records look on stderr: a line for people, or JSON for collectors."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone
from enum import Enum


class LogFormat(str, Enum):
    """Form of a log record."""

    TEXT = "text"
    JSON = "json"


class JsonFormatter(logging.Formatter):
    """One object a record: ``time`` (UTC, ISO 8601), ``level``, ``logger``, ``message``, ``error`` (a traceback)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure_logs(level: str, form: LogFormat = LogFormat.TEXT) -> None:
    """Send all records of a level and above to stderr, in place of what was configured before.

    Args:
        level: Name of a level of :mod:`logging`.
        form: Form of the records.
    """
    handler = logging.StreamHandler(sys.stderr)
    if form is LogFormat.JSON:
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
