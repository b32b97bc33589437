"""report.json read back."""

from __future__ import annotations

from pydantic import ValidationError

from runner.errors import InfraError
from runner.records.report import RunReport


def read_report(content: bytes, where: str) -> RunReport:
    """Raises InfraError when it is not a report of this version, naming the first wrong field."""
    try:
        return RunReport.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the whole"
        raise InfraError(
            f"{where} cannot be read: {field}: {first['msg']}",
            "it was changed, or written by another version of codex-runner",
        ) from error
