"""Two export documents compared, as a person reads them. Pure."""

import difflib
import json
from typing import Any

import yaml


def document_diff(before: Any, after: Any) -> str:
    """Both documents as YAML, compared line by line."""
    return "\n".join(difflib.unified_diff(_lines(before), _lines(after), "before", "after", lineterm=""))


def _lines(document: Any) -> list[str]:
    if not document:
        return []
    # As the database keeps it: a choice becomes its text.
    plain = json.loads(json.dumps(document))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).splitlines()
