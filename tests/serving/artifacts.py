"""Small artifacts made on the spot: ONNX graphs by onnx.helper, scikit-learn pipelines by skops."""

import hashlib
from pathlib import Path

import numpy as np
import skops.io
from onnx import TensorProto, helper, numpy_helper, save
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from telemetry.snapshot import SnapshotFeature, SnapshotModel, SnapshotVersion

NUMBERS = (SnapshotFeature("x", "numeric", 0.0, 10.0, required=True), SnapshotFeature("y", "numeric", 0.0, 10.0))
MIXED = (
    SnapshotFeature("income", "numeric", 0.0, 200.0, required=True),
    SnapshotFeature("zip code", "categorical", categories=("a", "b", "c"), default="a"),
)


def version(path: Path, name: str = "v1", framework: str = "onnx") -> SnapshotVersion:
    """`path` as a registered version."""
    return SnapshotVersion(name, framework, str(path), hashlib.sha256(path.read_bytes()).hexdigest())


def model(
    *versions: SnapshotVersion,
    name: str = "claims-risk",
    task: str = "binary_classification",
    classes: tuple[str, ...] = ("no", "yes"),
    features: tuple[SnapshotFeature, ...] = NUMBERS,
    live: str | None = "v1",
    canary: str | None = None,
    canary_percent: int = 0,
    shadows: tuple[str, ...] = (),
    in_flight_limit: int = 64,
    timeout_seconds: float = 5.0,
) -> SnapshotModel:
    """A registered model; by default the one that `constant` answers for."""
    return SnapshotModel(
        name, task, classes, features, versions, live, canary, canary_percent, shadows, in_flight_limit, timeout_seconds
    )


def _save(path: Path, nodes: list, inputs: list, outputs: list, constants: dict[str, np.ndarray]) -> Path:
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_model(graph, opset_imports=opsets)
    made.ir_version = 9
    save(made, path)
    return path


def _floats(name: str, *shape: int | None) -> object:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def constant(path: Path, probability: float) -> Path:
    """Two numbers in one tensor; the positive class has `probability`, whatever they are, missing ones too."""
    nodes = [
        helper.make_node("IsNaN", ["input"], ["missing"]),
        helper.make_node("Cast", ["missing"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["number", "zeros"], ["nothing"]),
        helper.make_node("Add", ["nothing", "answer"], ["probabilities"]),
    ]
    answer = np.array([[1 - probability, probability]], dtype=np.float32)
    return _save(
        path,
        nodes,
        [_floats("input", None, 2)],
        [_floats("probabilities", None, 2)],
        {"zeros": np.zeros((2, 2), np.float32), "answer": answer},
    )


def total(path: Path) -> Path:
    """A regression: x + y."""
    return _save(
        path,
        [helper.make_node("MatMul", ["input", "ones"], ["value"])],
        [_floats("input", None, 2)],
        [_floats("value", None, 1)],
        {"ones": np.ones((2, 1), np.float32)},
    )


def one_sigmoid(path: Path) -> Path:
    """Binary with a single probability per row: sigmoid(x + y)."""
    nodes = [
        helper.make_node("MatMul", ["input", "ones"], ["value"]),
        helper.make_node("Sigmoid", ["value"], ["probability"]),
    ]
    return _save(
        path,
        nodes,
        [_floats("input", None, 2)],
        [_floats("probability", None, 1)],
        {"ones": np.ones((2, 1), np.float32)},
    )


def named_inputs(path: Path) -> Path:
    """One input per feature of MIXED: the positive class is certain for zip code b, impossible for others."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["zip code"],
            ["positive"],
            domain="ai.onnx.ml",
            keys_strings=["b"],
            values_floats=[1.0],
            default_float=0.0,
        ),
        helper.make_node("Mul", ["income", "zero"], ["nothing"]),
        helper.make_node("Add", ["positive", "nothing"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["q", "p"], ["probabilities"], axis=1),
    ]
    return _save(
        path,
        nodes,
        [
            helper.make_tensor_value_info("zip code", TensorProto.STRING, [None, 1]),
            _floats("income", None, 1),
        ],
        [_floats("probabilities", None, 2)],
        {"zero": np.zeros((1, 1), np.float32), "one": np.ones((1, 1), np.float32)},
    )


def zip_map(path: Path, classes: list[str]) -> Path:
    """Three classes through ZipMap: maps from class name to probability, 0.2, 0.5 and 0.3 in the order of `classes`."""
    nodes = [
        helper.make_node("MatMul", ["input", "zeros"], ["nothing"]),
        helper.make_node("Add", ["nothing", "answer"], ["tensor"]),
        helper.make_node("ZipMap", ["tensor"], ["maps"], domain="ai.onnx.ml", classlabels_strings=classes),
    ]
    maps = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    output = helper.make_value_info("maps", helper.make_sequence_type_proto(maps))
    return _save(
        path,
        nodes,
        [_floats("input", None, 2)],
        [output],
        {"zeros": np.zeros((2, 3), np.float32), "answer": np.array([[0.2, 0.5, 0.3]], np.float32)},
    )


def labelled(path: Path, classes: list[str]) -> Path:
    """Two classes as a tensor, and the winner's name as a label; the columns are in the order of `classes`."""
    nodes = [
        helper.make_node("MatMul", ["input", "zeros"], ["nothing"]),
        helper.make_node("Add", ["nothing", "answer"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["winner"], axis=1, keepdims=0),
        helper.make_node(
            "LabelEncoder", ["winner"], ["label"], domain="ai.onnx.ml", keys_int64s=[0, 1], values_strings=classes
        ),
    ]
    return _save(
        path,
        nodes,
        [_floats("input", None, 2)],
        [helper.make_tensor_value_info("label", TensorProto.STRING, [None]), _floats("probabilities", None, 2)],
        {"zeros": np.zeros((2, 2), np.float32), "answer": np.array([[0.1, 0.9]], np.float32)},
    )


def mixed_pipeline(path: Path, estimator: object = None, classes: tuple[str, str] = ("no", "yes")) -> Path:
    """A scikit-learn pipeline over MIXED, by position; incomes above 100 are the second class."""
    random = np.random.default_rng(7)
    rows = np.empty((300, 2), dtype=object)
    rows[:, 0] = random.uniform(0, 200, 300)
    rows[:, 1] = random.choice(["a", "b", "c"], 300)
    labels = np.where(rows[:, 0].astype(float) > 100, classes[1], classes[0])
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), [0]), ("categories", OneHotEncoder(handle_unknown="ignore"), [1])]
    )
    pipeline = Pipeline(
        [("columns", columns), ("classify", LogisticRegression() if estimator is None else estimator)]
    ).fit(rows, labels)
    return dump(pipeline, path)


def dump(estimator: object, path: Path) -> Path:
    """`estimator` as a skops file."""
    skops.io.dump(estimator, path)
    return path
