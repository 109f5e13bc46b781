"""A Dockerfile as its instructions."""

import json
import shlex
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILES = {"control plane": ROOT / "docker/Dockerfile", "serving": ROOT / "docker/serving.Dockerfile"}


@dataclass(frozen=True)
class Instruction:
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """JSON form or words as a shell splits them."""
        if self.text.startswith("["):
            words: list[str] = json.loads(self.text)
            return words
        return shlex.split(self.text)


def instructions(path: Path) -> list[Instruction]:
    """In order; comments and continued lines dissolved."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = []
    for line in filter(None, (line.strip() for line in joined.splitlines())):
        name, _, text = line.partition(" ")
        found.append(Instruction(name, text.strip()))
    return found


def last_stage(path: Path) -> list[Instruction]:
    """What ends in the image."""
    found = instructions(path)
    start = max(n for n, instruction in enumerate(found) if instruction.name == "FROM")
    return found[start:]


def copies(path: Path) -> list[tuple[str, str]]:
    """(source, destination) of every COPY from the build context, in all stages."""
    pairs = []
    for instruction in instructions(path):
        words = [word for word in instruction.words if not word.startswith("--")] if instruction.name == "COPY" else []
        if words and "--from=" not in instruction.text:
            pairs += [(source, words[-1]) for source in words[:-1]]
    return pairs


def ignored(source: str) -> bool:
    """Whether .dockerignore keeps `source` out of the build context: the last line that matches decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        parts = source.split("/")
        heads = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        if any(fnmatch(head, pattern) or fnmatch(head, pattern.removeprefix("**/")) for head in heads):
            out = not line.strip().startswith("!")
    return out
