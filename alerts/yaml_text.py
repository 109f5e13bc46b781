"""YAML as a person would write it: keys in our order, long expressions as blocks, everything else quoted by PyYAML."""

from typing import Any

import yaml

_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):
    def ignore_aliases(self, data: Any) -> bool:
        """Equal values are written out: an anchor says nothing to a reader of rules."""
        return True


def _string(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)

# The one line that tells a reader not to edit.
HEADER = "# Rendered by Plumbline from its registry: an edit here is overwritten.\n"


def dump(document: Any) -> str:
    """`document` as YAML with the header."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096)
    return HEADER + text


def load(text: str) -> Any:
    """Mappings, lists and texts: a label `on` or `1e3` stays what was written, as Prometheus reads it."""
    return yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506  builds nothing else
