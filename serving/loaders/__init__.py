"""One module per framework, named after it, each with `load(path, model) -> Predictor`. Adding one is adding a file.

They are imported by name when the first version of that framework is loaded: a replica pays only for what it serves,
and an image may leave a framework out.
"""

import importlib
import pkgutil
from pathlib import Path

from serving.loaders.predictor import LoadError, Predictor
from telemetry.snapshot import SnapshotModel

FRAMEWORKS = frozenset(module.name for module in pkgutil.iter_modules(__path__)) - {"predictor"}


def load(framework: str, path: Path, model: SnapshotModel) -> Predictor:
    """The artifact at `path`, ready to predict; LoadError says why not."""
    if framework not in FRAMEWORKS:  # also keeps a typed name out of the import system
        raise LoadError(f"No loader for framework {framework!r}: this replica has {', '.join(sorted(FRAMEWORKS))}.")
    try:
        module = importlib.import_module(f"{__name__}.{framework}")
    except ImportError as error:
        raise LoadError(f"Framework {framework!r} is not installed on this replica: {error}") from error
    predictor: Predictor = module.load(path, model)
    return predictor
