"""The demo's registry: registry.yml and what is made on this machine, as one file that `apply` reads."""

import json
from pathlib import Path
from typing import Any

import yaml

from controlplane.demo import baseline, train
from drift.engine.scan import Bounds

REGISTRY = Path(__file__).parent / "registry.yml"
LIVE, CANARY = "v1", "v2"
CANARY_PERCENT = 10


def write(folder: Path, artifacts: Path, *, receivers: str, user: str, with_traffic: bool) -> Path:
    """Train what isn't trained yet, and write `registry.yml` and `baseline.json` to `folder`: the file to apply.

    `receivers` is the address that every team's pages and tickets are posted under; `user` edits for all teams.
    Traffic is stated only on request: applying the file again must not undo what somebody has shifted since.
    """
    document = yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))
    for team in document["teams"]:
        team["receivers"] = {
            severity: {"kind": "webhook", "address": f"{receivers}/{team['name']}/{severity}"}
            for severity in ("page", "ticket")
        }
        team["members"] = {user: "editor"}
    folder.mkdir(parents=True, exist_ok=True)
    _complete(document["models"][0], train.train(artifacts), folder, with_traffic)
    file = folder / "registry.yml"
    file.write_text(yaml.safe_dump(document, sort_keys=False, width=120), encoding="utf-8")
    return file


def _complete(model: dict[str, Any], artifacts: tuple[train.Artifact, ...], folder: Path, with_traffic: bool) -> None:
    bounds = {
        f["name"]: Bounds(f.get("minimum"), f.get("maximum"), tuple(f.get("categories", ()))) for f in model["features"]
    }
    profile = baseline.profile(artifacts[0], bounds)
    (folder / "baseline.json").write_text(json.dumps(profile), encoding="utf-8")
    model["baselines"] = [
        {
            "name": baseline.NAME,
            "population": baseline.POPULATION,
            "profile_file": "baseline.json",
            "frozen": True,
        }
    ]
    model["versions"] = [
        {
            "version": artifact.version,
            "framework": "sklearn",
            "artifact": str(artifact.path),
            "sha256": artifact.sha256,
            "baseline": baseline.NAME,
            "pipeline_release": model["pipeline_releases"][0]["release"],
        }
        for artifact in artifacts
    ]
    if with_traffic:
        model["traffic"] = {"live": LIVE, "canary": CANARY, "canary_percent": CANARY_PERCENT}
