"""Reading the registry file: safe YAML with the line of each value. Pure.

Stricter than YAML: no aliases (a small file could unfold into a huge one), no tags, no key twice in one mapping.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]

MAX_BYTES = 16 * 1024 * 1024
PLAIN = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file: where, and what to do."""

    source: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}: " if self.line else f"{self.source}: "
        return where + (f"{self.path}: " if self.path else "") + self.message


@dataclass
class FileRead:
    """A file's content as plain data, and the line on which each value starts."""

    source: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: Path, message: str) -> None:
        """Note what is wrong at `path`, or, where there is no such value, at what would hold it."""
        known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in self.lines), ())
        self.problems.append(Problem(self.source, self.lines.get(known, 1), self.told(path), message))

    def told(self, path: Path) -> str:
        """`path` as a person reads it: things in lists by their names, where they have one."""
        words = ""
        value = self.data
        for step in path:
            value = _child(value, step)
            if isinstance(step, int):
                words += f"[{_name_of(value) or step}]"
            else:
                words += f".{step}" if words else step
        return words


class _Loader(yaml.SafeLoader):
    """Composes nodes; scalars become numbers, texts, truth values and times as SafeLoader makes them."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases are not read: write the value out", problem_mark=mark)
        return super().compose_node(parent, index)


def read_yaml(text: str, source: str) -> FileRead:
    """The content of `text`; problems are noted in the result, all that can be found at once."""
    result = FileRead(source)
    if len(text.encode()) > MAX_BYTES:
        result.problems.append(Problem(source, 0, "", f"The file is larger than {MAX_BYTES // 1024 // 1024} MiB."))
        return result
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            result.data = _Building(loader, result).value(node, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        told = getattr(error, "problem", None) or str(error)
        result.problems.append(Problem(source, mark.line + 1 if mark else 0, "", f"This is not YAML: {told}."))
    except RecursionError:
        result.problems.append(Problem(source, 0, "", "The file is nested too deeply."))
    return result


class _Building:
    """Nodes to plain data, with the lines noted in `result`."""

    def __init__(self, loader: _Loader, result: FileRead) -> None:
        self.loader = loader
        self.result = result

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.result.lines[path] = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode) and node.tag not in PLAIN:
            self._refuse(self.result.lines[path], path, f"The tag {node.tag} is not read: leave it out.")
            return None
        if isinstance(node, yaml.MappingNode):
            return dict(self._entries(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, n)) for n, item in enumerate(node.value)]
        try:
            return self.loader.construct_object(node)
        except ValueError as error:
            self._refuse(self.result.lines[path], path, f"{node.value!r} can't be read: {error}.")
            return None

    def _entries(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            # A name such as 2024 or yes is meant as it is written.
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(line, path, "A key is a name, not a list or a mapping.")
                continue
            if key in seen:
                self._refuse(line, (*path, key), f"This is stated twice, first on line {seen[key]}: leave one out.")
                continue
            seen[key] = line
            yield key, self.value(value_node, (*path, key))

    def _refuse(self, line: int, path: Path, message: str) -> None:
        self.result.problems.append(Problem(self.result.source, line, ".".join(map(str, path)), message))


def _child(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _name_of(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    return str(next((value[k] for k in ("name", "version", "release", "alert", "model") if value.get(k)), ""))
