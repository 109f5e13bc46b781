"""Serving stands alone: no Django, no other room."""

import subprocess
import sys

from tests.serving.running import ROOT

_IMPORT_ALL = """
import importlib, pkgutil, sys
import serving
for module in pkgutil.walk_packages(serving.__path__, "serving."):
    if module.name != "serving.__main__":
        importlib.import_module(module.name)
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_serving_loads_no_django_and_no_room_but_the_vocabulary() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"serving", "telemetry", "sklearn", "onnxruntime"} <= loaded
    assert not loaded & {
        "django",
        "rest_framework",
        "celery",
        "models_registry",
        "alerts",
        "dashboards",
        "drift",
        "controlplane",
    }


def test_starting_loads_no_framework_that_no_model_uses() -> None:
    code = "import sys, serving.replica; print('sklearn' in sys.modules, 'onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
