"""Names that users' own dashboards and rules refer to. A rename here breaks them: add, never change."""

# Label names. Every label set is closed; no request can create a label value.
MODEL = "model_name"
VERSION = "model_version"
ROUTE = "route"
STATUS = "status"
REASON = "reason"
FEATURE = "feature_name"
METHOD = "method"
CRITICAL = "critical"
CLASS = "predicted_class"
ROLE = "role"
FRAMEWORK = "framework"
STATE = "state"
PROXY = "proxy"
# Of alerts about objectives: which one, how urgent, and over how many days its budget is spent (`30d`).
OBJECTIVE = "objective"
TIER = "tier"
PERIOD = "period"

# Values of labels.
ROUTES = ("predict", "predict_batch")
STATUSES = ("success", "error")
INVALID_INPUT = "invalid_input"
OVERLOADED = "overloaded"
REASONS = (INVALID_INPUT, "model_error", OVERLOADED, "timeout", "not_ready")
ROLES = ("live", "canary", "shadow")
OTHER_CLASS = "other"
SOURCE_FAILED, BASELINE_MISMATCH = "source_failed", "baseline_mismatch"
CHECK_STATES = (
    "ok",
    "drifted",
    "insufficient_data",
    "baseline_stale",
    BASELINE_MISMATCH,
    SOURCE_FAILED,
    "paused",
    "never_run",
)

# From the serving app.
REQUESTS = "ml_inference_requests_total"
ERRORS = "ml_inference_errors_total"
LATENCY = "ml_inference_latency_seconds"
SCORE = "ml_prediction_score"
PREDICTIONS = "ml_predictions_total"
FEATURE_VALUES = "ml_feature_values_total"
FEATURE_MISSING = "ml_feature_missing_total"
FEATURE_DEFAULTED = "ml_feature_defaulted_total"
FEATURE_OUT_OF_RANGE = "ml_feature_out_of_range_total"
FEATURE_FETCH = "ml_feature_fetch_seconds"
BATCH_SIZE = "ml_inference_batch_size"
IN_FLIGHT = "ml_inference_in_flight"
IN_FLIGHT_LIMIT = "ml_inference_in_flight_limit"
QUEUE_DEPTH = "ml_inference_queue_depth"
MODEL_INFO = "ml_model_info"
TRAFFIC_WEIGHT = "ml_model_traffic_weight"
SNAPSHOT_INFO = "ml_serving_snapshot_info"
SNAPSHOT_AGE = "ml_serving_snapshot_age_seconds"
SHADOW_DIFFERENCE = "ml_shadow_score_difference"

# From the quality exporter.
DRIFT_SCORE = "ml_data_drift_score"
DRIFT_THRESHOLD = "ml_data_drift_threshold"
DRIFT_DETECTED = "ml_data_drift_detected"
MISSING_RATIO = "ml_feature_missing_ratio"
DEFAULTED_RATIO = "ml_feature_defaulted_ratio"
OUT_OF_RANGE_RATIO = "ml_feature_out_of_range_ratio"
MISSING_RATIO_LIMIT = "ml_feature_missing_ratio_limit"
DEFAULTED_RATIO_LIMIT = "ml_feature_defaulted_ratio_limit"
OUT_OF_RANGE_RATIO_LIMIT = "ml_feature_out_of_range_ratio_limit"
PREDICTION_DRIFT_SCORE = "ml_prediction_drift_score"
PREDICTION_BASELINE_MEDIAN = "ml_prediction_score_baseline_median"
CLASS_RATIO = "ml_prediction_class_ratio"
CLASS_RATIO_BASELINE = "ml_prediction_class_ratio_baseline"
BUSINESS_PROXY = "ml_business_proxy"
BUSINESS_PROXY_LOWER = "ml_business_proxy_lower"
BUSINESS_PROXY_UPPER = "ml_business_proxy_upper"
CHECK_STATE = "ml_drift_check_state"
CHECK_FIRST_DUE = "ml_drift_check_first_due_timestamp_seconds"
CHECK_LAST_SUCCESS = "ml_drift_check_last_success_timestamp_seconds"
CHECK_INTERVAL = "ml_drift_check_interval_seconds"
CHECK_DURATION = "ml_drift_check_duration_seconds"
WINDOW_ROWS = "ml_drift_window_rows"
BASELINE_INFO = "ml_baseline_info"
BASELINE_AGE = "ml_baseline_age_seconds"
BASELINE_MAX_AGE = "ml_baseline_max_age_seconds"
PIPELINE_INFO = "ml_feature_pipeline_info"

# From the control plane.
DESIRED_WEIGHT = "plumbline_model_desired_weight"
MODEL_REGISTERED = "plumbline_model_registered"
VERSION_REGISTERED = "plumbline_version_registered"
REPLICA_STARTS = "plumbline_replica_starts_total"
RELEASE_INFO = "plumbline_release_info"
RELEASE_FAILING = "plumbline_release_failing"
RELEASE_LAST_SUCCESS = "plumbline_release_last_success_timestamp_seconds"
RECONCILE_LAST_RUN = "plumbline_reconcile_last_run_timestamp_seconds"
ANNOTATIONS_PENDING = "plumbline_annotations_pending"
INCIDENTS_OPEN = "plumbline_incidents_open"
BUDGET_LEFT = "plumbline_objective_error_budget_left"
OBJECTIVE_TARGET = "plumbline_objective_target"
OBJECTIVE_LATENCY_LIMIT = "plumbline_objective_latency_limit_seconds"
OBJECTIVE_COVERAGE = "plumbline_objective_counted_ratio"

# Recorded series. The suffix is the window; a policy with another window reads its own series (`recorded`).
RPS = "job:ml_inference_rps:rate"
ERROR_RATIO = "job:ml_inference_error_rate:ratio"
SERVER_ERROR_RATIO = "job:ml_inference_server_error_rate:ratio"
LATENCY_P50 = "job:ml_inference_latency_p50_seconds:"
LATENCY_P95 = "job:ml_inference_latency_p95_seconds:"
LATENCY_P99 = "job:ml_inference_latency_p99_seconds:"
SCORE_P50 = "job:ml_prediction_score_p50:"
DRIFT_FEATURES_TRIGGERED = "job:ml_drift_features_triggered:current"
INVALID_INPUT_RATIO = "job:ml_inference_invalid_input:ratio"
OVERLOADED_RATIO = "job:ml_inference_overloaded:ratio"
TRAFFIC_SHARE = "job:ml_inference_traffic_share:ratio"
MISSING_ONLINE = "job:ml_feature_missing_online:ratio"
CLASS_SHARE = "job:ml_prediction_class_share:ratio"
SATURATION = "job:ml_inference_saturation:current"
# What a canary is judged by: each version over all routes, and what the versions that are canary nowhere do together.
VERSION_ERROR_RATIO = "job:ml_version_server_error_rate:ratio"
VERSION_P95 = "job:ml_version_latency_p95_seconds:"
LIVE_ERROR_RATIO = "job:ml_live_server_error_rate:ratio"
LIVE_P95 = "job:ml_live_latency_p95_seconds:"

# Of each objective: what it counts a second, the share of it that is bad, and how many that are.
# Labels: model, route, objective, period.
OBJECTIVE_EVENTS = "job:ml_objective_events:rate"
OBJECTIVE_BAD = "job:ml_objective_bad:rate"
OBJECTIVE_BAD_RATIO = "job:ml_objective_bad:ratio"
OBJECTIVE_BAD_COUNT = "job:ml_objective_bad:increase"

# Scrape jobs.
JOB_INFERENCE = "model-inference"
JOB_DRIFT = "drift-exporter"
JOB_PLUMBLINE = "plumbline"
JOB_PROMETHEUS = "prometheus"
JOB_ALERTMANAGER = "alertmanager"
JOB_NODE = "node-exporter"

DRIFT_EXPORTER_PORT = 9109


def recorded(prefix: str, window: str) -> str:
    """The recorded series of `prefix` over `window`, e.g. `job:ml_inference_rps:rate` and `5m`."""
    return f"{prefix}{window}"
