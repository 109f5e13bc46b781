"""ONNX, by ONNX Runtime. Inputs: one tensor [rows, features], or one input per feature, named like it.

Missing numbers are NaN, missing categories the empty string (an ONNX string can't be absent). Outputs of a classifier:
probabilities as a tensor in the registered order of classes, or as ZipMap's maps from class to probability; a label
beside them is only used to prove that order. Output of a regression: one number per row.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from serving.loaders.predictor import (
    BINARY,
    REGRESSION,
    Classes,
    LoadError,
    Predictor,
    Row,
    Scores,
    column_order,
    scores_and_classes,
    values_only,
)
from telemetry.snapshot import SnapshotModel

_DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(string)": object,
}
_FLOATS = ("tensor(float)", "tensor(double)")
_Inputs = dict[str, npt.NDArray[Any]]


def load(path: Path, model: SnapshotModel) -> Predictor:
    """The network in `path`; LoadError when its inputs or outputs don't fit the registered model."""
    options = onnxruntime.SessionOptions()
    # One row is microseconds of work: waking a second thread costs more, and spinning threads starve the event loop.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a dozen classes of its own for a bad file
        raise LoadError(f"The artifact is not an ONNX file that can be run: {error}") from error
    inputs = _input_builder(session.get_inputs(), model)
    if model.task == REGRESSION:
        return _Regressor(session, inputs, _only_output(session.get_outputs(), _FLOATS))
    return _Classifier(session, inputs, model)


def _input_builder(inputs: Sequence[Any], model: SnapshotModel) -> Callable[[Sequence[Row]], _Inputs]:
    """How rows become the network's inputs."""
    for each in inputs:
        if each.type not in _DTYPES:
            raise LoadError(f"Input {each.name!r} is a {each.type}: use {', '.join(_DTYPES)}.")
    names = [feature.name for feature in model.features]
    if {each.name for each in inputs} == set(names):
        position = {name: index for index, name in enumerate(names)}
        columns = [(each.name, position[each.name], each.type, len(each.shape or ())) for each in inputs]
        kinds = {feature.name: feature.kind for feature in model.features}
        for name, _, type_, _ in columns:
            if (kinds[name] == "categorical") != (type_ == "tensor(string)"):
                raise LoadError(f"Input {name!r} is a {type_}, the feature is {kinds[name]}.")
        return lambda rows: {n: _column(rows, at, type_, rank) for n, at, type_, rank in columns}
    if len(inputs) != 1:
        missing = sorted(set(names) ^ {each.name for each in inputs})
        raise LoadError(f"The inputs are neither one tensor nor the registered features; they differ in {missing}.")
    only = inputs[0]
    width = only.shape[1] if len(only.shape or ()) == 2 else None
    if isinstance(width, int) and width != len(names):
        raise LoadError(f"Input {only.name!r} takes {width} features, registered are {len(names)}.")
    wanted = "categorical" if only.type == "tensor(string)" else "numeric"
    odd = [feature.name for feature in model.features if feature.kind != wanted]
    if odd:
        raise LoadError(f"Input {only.name!r} is one {only.type}, yet these features are not {wanted}: {odd}.")
    return lambda rows: {only.name: _tensor(rows, only.type)}


def _column(rows: Sequence[Row], at: int, type_: str, rank: int) -> npt.NDArray[Any]:
    column = _tensor([[row[at]] for row in rows], type_)
    return column.reshape(-1) if rank == 1 else column


def _tensor(rows: Sequence[Row], type_: str) -> npt.NDArray[Any]:
    if type_ == "tensor(string)":
        return np.array([["" if value is None else value for value in row] for row in rows], dtype=object)
    if type_ == "tensor(int64)":  # NaN has no integer: let the conversion refuse it instead of inventing a number
        return np.array([[int(value) for value in row] for row in rows], dtype=np.int64)  # type: ignore[arg-type]
    return np.array(rows, dtype=_DTYPES[type_])


def _only_output(outputs: Sequence[Any], types: Sequence[str]) -> str:
    """The name of the one output of such a type; LoadError when there is none or more."""
    fitting = [output.name for output in outputs if output.type in types]
    if len(fitting) != 1:
        described = {output.name: output.type for output in outputs}
        raise LoadError(f"One output of type {' or '.join(types)} is needed; the artifact has {described}.")
    name: str = fitting[0]
    return name


class _Classifier:
    def __init__(self, session: Any, inputs: Callable[[Sequence[Row]], _Inputs], model: SnapshotModel) -> None:
        self._session = session
        self._inputs = inputs
        self._model = model
        self._order: list[Any] | None = None  # ZipMap's keys in the registered order, once seen
        outputs = session.get_outputs()
        maps = [output.name for output in outputs if output.type.startswith("seq(map(")]
        self._maps = bool(maps)
        self._names = [maps[0] if maps else _only_output(outputs, _FLOATS)]
        self._names += [output.name for output in outputs if output.type == "tensor(string)"][:1]

    def predict(self, rows: Sequence[Row]) -> tuple[Scores, Classes]:
        """See Predictor."""
        found = self._session.run(self._names, self._inputs(rows))
        probabilities = self._from_maps(found[0]) if self._maps else self._from_tensor(found[0])
        if len(found) == 2 and not self._maps:
            self._prove_order(probabilities, found[1])
        return scores_and_classes(self._model, probabilities)

    def _from_maps(self, maps: Sequence[Mapping[Any, float]]) -> npt.NDArray[Any]:
        if self._order is None:
            keys = sorted(maps[0])
            self._order = [keys[at] for at in column_order(self._model, keys)]
        return np.array([[each[key] for key in self._order] for each in maps])

    def _from_tensor(self, tensor: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._model.task == BINARY and (tensor.ndim == 1 or tensor.shape[1] == 1):  # one sigmoid
            positive = tensor.reshape(-1)
            return np.stack([1.0 - positive, positive], axis=1)
        if tensor.ndim != 2 or tensor.shape[1] != len(self._model.classes):
            raise LoadError(f"Probabilities of shape {tensor.shape} for {len(self._model.classes)} registered classes.")
        return tensor

    def _prove_order(self, probabilities: npt.NDArray[Any], labels: npt.NDArray[Any]) -> None:
        """A tensor has no class names; the label that comes with it has, so columns in another order are noticed."""
        for row, label in zip(probabilities, labels.reshape(-1), strict=True):
            # Ties within float32's rounding prove nothing.
            if label not in self._model.classes or row[self._model.classes.index(label)] < row.max() - 1e-6:
                raise LoadError(
                    f"The label says {label!r}, the probabilities {self._model.classes[int(row.argmax())]!r}: "
                    f"register the classes in the order of the artifact's columns, now {list(self._model.classes)}."
                )


class _Regressor:
    def __init__(self, session: Any, inputs: Callable[[Sequence[Row]], _Inputs], output: str) -> None:
        self._session = session
        self._inputs = inputs
        self._output = output

    def predict(self, rows: Sequence[Row]) -> tuple[Scores, Classes]:
        """See Predictor."""
        return values_only(self._session.run([self._output], self._inputs(rows))[0])
