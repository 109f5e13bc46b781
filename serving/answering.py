"""From a request's body to an answer, or to the reason why there is none. No metrics, no I/O."""

import math
from dataclasses import dataclass

from serving.models import LoadedVersion
from serving.validation import Inputs, InvalidInputError

BATCH_ROUTE = "predict_batch"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request came to. `reason` is one of telemetry.names.REASONS, or empty for success."""

    status: int
    reason: str = ""
    message: str = ""
    field: str | None = None
    inputs: Inputs | None = None  # None where the body was refused, or is not known to be good
    scores: list[float] | None = None
    classes: list[str | None] | None = None
    fault: Exception | None = None  # for the operational log; never sent to the caller


NOT_READY = Outcome(503, "not_ready", "No version of this model is loaded yet: try again shortly.")
OVERLOADED = Outcome(503, "overloaded", "As many requests as the model's limit are in flight: try again shortly.")
TIMEOUT = Outcome(504, "timeout", "The model did not answer within its time-out.")


def answer(version: LoadedVersion, route: str, body: bytes) -> Outcome:
    """Validate and predict. Never raises: a model may fail in any way, and that is an outcome too."""
    try:
        inputs = version.validator.batch(body) if route == BATCH_ROUTE else version.validator.one(body)
    except InvalidInputError as error:
        return Outcome(400, "invalid_input", str(error), error.field)
    try:
        scores, classes = version.predictor.predict(inputs.rows)
        if len(scores) != len(inputs.rows) or not all(map(math.isfinite, scores)):
            raise ValueError(f"{len(inputs.rows)} rows gave {len(scores)} scores, or one that is not finite")
    except Exception as error:
        return Outcome(500, "model_error", "The model failed on this input.", inputs=inputs, fault=error)
    return Outcome(200, inputs=inputs, scores=scores, classes=classes)
