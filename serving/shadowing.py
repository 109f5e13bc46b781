"""Lets shadow versions see real traffic: after the answer, in their own threads."""

import logging
import math
import threading
import time

from serving.models import Choice
from serving.prediction_log import Logged, PredictionLog
from serving.validation import Inputs

log = logging.getLogger(__name__)

MAX_WAITING = 64  # requests; beyond that shadows skip some


class Shadows:
    """Runs shadows and records how far their scores are from the answer's. A shadow that fails is only logged."""

    def __init__(self, prediction_log: PredictionLog) -> None:
        self._prediction_log = prediction_log
        self._waiting = 0
        self._lock = threading.Lock()

    def send(
        self, shadows: tuple[Choice, ...], route: str, request_id: str, inputs: Inputs, scores: list[float]
    ) -> None:
        """Hand an answered request to each shadow that takes the same columns."""
        for shadow in shadows:
            with self._lock:
                if self._waiting >= MAX_WAITING:
                    return
                self._waiting += 1
            shadow.version.threads.submit(self._run, shadow, route, request_id, inputs, scores)

    def _run(self, shadow: Choice, route: str, request_id: str, inputs: Inputs, scores: list[float]) -> None:
        try:
            found, classes = shadow.version.predictor.predict(inputs.rows)
            for score, answered in zip(found, scores, strict=True):
                if shadow.metrics.shadow_difference is not None and math.isfinite(score):
                    shadow.metrics.shadow_difference.observe(abs(score - answered))
            self._prediction_log.append(
                Logged(
                    schema=shadow.version.log_schema,
                    at=time.time(),
                    request_id=request_id,
                    route=route,
                    role=shadow.role,
                    rows=inputs.rows,
                    defaulted=inputs.defaulted,
                    scores=found,
                    classes=classes,
                )
            )
        except Exception as error:  # a shadow may fail in any way; its traffic is no one's answer
            name = f"{shadow.version.model.name}/{shadow.version.version}"
            log.warning("Shadow %s failed on request %s: %s", name, request_id, type(error).__name__)
        finally:
            with self._lock:
                self._waiting -= 1
