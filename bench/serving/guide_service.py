"""The service that tutorials show, for comparison: FastAPI and pydantic in front of the same ONNX artifact.

Run as `PYTHON guide_service.py ARTIFACT PORT`.
"""

import sys
import time

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from pydantic import BaseModel
from starlette.responses import Response

LATENCY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0)
LABELS = ["model_name", "model_version", "route"]
REQUESTS = Counter("ml_inference_requests_total", "Requests.", [*LABELS, "status"])
LATENCY = Histogram("ml_inference_latency_seconds", "Seconds.", LABELS, buckets=LATENCY_BUCKETS)
SCORES = Histogram("ml_prediction_score", "Scores.", LABELS[:2], buckets=[i / 10 for i in range(11)])

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
app = FastAPI()


class Features(BaseModel):
    """Two numbers."""

    x: float
    y: float | None = None


class Payload(BaseModel):
    """A request."""

    features: Features


@app.get("/metrics")
def metrics() -> Response:
    """The metrics page."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.post("/predict")
async def predict(payload: Payload) -> dict[str, object]:
    """One prediction."""
    start = time.perf_counter()
    labels = ("bench", "v1", "predict")
    try:
        row = np.array([[payload.features.x, payload.features.y or 0.0]], dtype=np.float32)
        score = float(session.run(["probabilities"], {"input": row})[0][0, 1])
        SCORES.labels(*labels[:2]).observe(score)
        REQUESTS.labels(*labels, "success").inc()
        return {"score": score, "model_version": "v1"}
    except Exception:
        REQUESTS.labels(*labels, "error").inc()
        raise
    finally:
        LATENCY.labels(*labels).observe(time.perf_counter() - start)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
