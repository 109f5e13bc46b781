"""Django's settings, read from the environment. docs/configuration.md lists every variable."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from alerts.options import LONGEST_DRIFT_SCRAPE_INTERVAL
from controlplane import environment_values as values
from controlplane.environment import Environment
from controlplane.secrets import ensure_secret
from controlplane.unfold_settings import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent
environment = Environment(os.environ)

# --- Where things are -------------------------------------------------------------------------------------------
PLUMBLINE_HOME = environment.read("PLUMBLINE_HOME", values.home, str(BASE_DIR / "var"))
RELEASES_DIR = PLUMBLINE_HOME / "releases"
CURRENT_LINK = PLUMBLINE_HOME / "current"
TARGETS_DIR = PLUMBLINE_HOME / "targets"
ARTIFACTS_DIR = PLUMBLINE_HOME / "artifacts"
PREDICTIONS_DIR = environment.read("PREDICTIONS_DIR", values.folder, str(PLUMBLINE_HOME / "predictions"))
SECRETS_DIR = PLUMBLINE_HOME / "secrets"

PLUMBLINE_URL = environment.read(
    "PLUMBLINE_URL", values.site_url, "http://127.0.0.1:8000", show=values.without_password
)
# The first is the one that is asked; all are configured, reloaded and verified.
PROMETHEUS_URL, *FURTHER_PROMETHEUS_URLS = environment.read(
    "PROMETHEUS_URL", values.http_urls, "http://127.0.0.1:9090", show=values.without_password
)
ALERTMANAGER_URL, *FURTHER_ALERTMANAGER_URLS = environment.read(
    "ALERTMANAGER_URL", values.http_urls, "http://127.0.0.1:9093", show=values.without_password
)
GRAFANA_URL = environment.read("GRAFANA_URL", values.or_empty(values.shown_url), show=values.without_password)
GRAFANA_TOKEN = environment.read("GRAFANA_TOKEN", values.text)
REDIS_URL = environment.read("REDIS_URL", values.redis_url, "redis://127.0.0.1:6379/0", show=values.without_password)
database = environment.read(
    "DATABASE_URL", values.database, f"sqlite:///{PLUMBLINE_HOME / 'plumbline.sqlite3'}", show=values.hidden
)

# --- The loop and what it renders -------------------------------------------------------------------------------
ENVIRONMENT_LABEL = environment.read("ENVIRONMENT_LABEL", values.label, "production")
# Prometheus forgets a series five minutes after its last sample, be it scraped or recorded.
often = values.whole(1, LONGEST_DRIFT_SCRAPE_INTERVAL, "Prometheus looks back five minutes")
SCRAPE_INTERVAL_SECONDS = environment.read("SCRAPE_INTERVAL_SECONDS", often, "15")
DRIFT_SCRAPE_INTERVAL_SECONDS = environment.read("DRIFT_SCRAPE_INTERVAL_SECONDS", often, "60")
EVALUATION_INTERVAL_SECONDS = environment.read("EVALUATION_INTERVAL_SECONDS", often, "30")
RECONCILE_INTERVAL_SECONDS = environment.read("RECONCILE_INTERVAL_SECONDS", values.whole(), "15")
ROUTE_GROUP_WAIT_SECONDS = environment.read("ROUTE_GROUP_WAIT_SECONDS", values.whole(0), "30")
ROUTE_GROUP_INTERVAL_SECONDS = environment.read("ROUTE_GROUP_INTERVAL_SECONDS", values.whole(), "300")
ROUTE_REPEAT_INTERVAL_SECONDS = environment.read("ROUTE_REPEAT_INTERVAL_SECONDS", values.whole(), "14400")
# Addresses that Prometheus scrapes (host:port), beside the replicas, which announce their own.
PLUMBLINE_TARGET = environment.optional("PLUMBLINE_TARGET", values.host_port) or urlsplit(PLUMBLINE_URL).netloc
DRIFT_EXPORTER_TARGET = environment.read("DRIFT_EXPORTER_TARGET", values.host_port, "127.0.0.1:9109")
NODE_EXPORTER_TARGETS = environment.read("NODE_EXPORTER_TARGETS", values.host_ports)
# The team that gets what nobody else claims, and the meta alerts.
PLATFORM_TEAM = environment.read("PLATFORM_TEAM", values.team, "platform")
# The oldest of the Alertmanagers, and of the amtool beside Plumbline: some kinds of receivers need a newer one.
ALERTMANAGER_VERSION = environment.read("ALERTMANAGER_VERSION", values.version, "0.25")
# How Alertmanager sends e-mail, and Plumbline its digests; the password stays in a file that each reads.
SMTP_SMARTHOST = environment.read("SMTP_SMARTHOST", values.or_empty(values.host_port))
SMTP_FROM = environment.read("SMTP_FROM", values.or_empty(values.mail_address))
SMTP_USERNAME = environment.read("SMTP_USERNAME", values.text)
SMTP_PASSWORD_FILE = environment.read("SMTP_PASSWORD_FILE", values.or_empty(values.absolute_path))
# Where the operator's objects are meant to live; empty: the bundle has none.
KUBERNETES_NAMESPACE = environment.read("KUBERNETES_NAMESPACE", values.or_empty(values.dns_label))
# The registry wakes the loop through this name, so that it needs to import nobody.
PLUMBLINE_WAKE = "controlplane.wake.wake"

# --- The web process --------------------------------------------------------------------------------------------
DEBUG = environment.read("DEBUG", values.truth, "0")
LOG_LEVEL = environment.read("LOG_LEVEL", values.log_level, "INFO")
ALLOWED_HOSTS = environment.optional("ALLOWED_HOSTS", values.host_names) or [
    urlsplit(PLUMBLINE_URL).hostname or "localhost",
    "localhost",
    "127.0.0.1",
]

# --- Secrets ----------------------------------------------------------------------------------------------------
given_secret_key = environment.optional("SECRET_KEY", values.secret_key, show=values.hidden)
SERVING_TOKEN_FILE = environment.optional("SERVING_TOKEN_FILE", values.secret_file) or SECRETS_DIR / "serving_token"
WEBHOOK_TOKEN_FILE = environment.optional("WEBHOOK_TOKEN_FILE", values.secret_file) or SECRETS_DIR / "webhook_token"
BUNDLE_TOKEN_FILE = environment.optional("BUNDLE_TOKEN_FILE", values.secret_file) or SECRETS_DIR / "bundle_token"
# Nothing has been written so far: first all that is wrong is told.
environment.check()
PLUMBLINE_HOME.mkdir(parents=True, exist_ok=True)
SECRET_KEY = given_secret_key or ensure_secret(SECRETS_DIR / "secret_key")
SERVING_TOKEN = ensure_secret(SERVING_TOKEN_FILE)
WEBHOOK_TOKEN = ensure_secret(WEBHOOK_TOKEN_FILE)
BUNDLE_TOKEN = ensure_secret(BUNDLE_TOKEN_FILE)

# --- Django -----------------------------------------------------------------------------------------------------
CSRF_TRUSTED_ORIGINS = [PLUMBLINE_URL]
BEHIND_TLS = PLUMBLINE_URL.startswith("https://")

INSTALLED_APPS = [
    "controlplane.apps.ControlplaneConfig",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "axes",
    "csp",
    "models_registry",
    "alerts",
    "dashboards",
    "drift",
]
MIDDLEWARE = [
    "controlplane.http_metrics.HttpMetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "controlplane.urls"
WSGI_APPLICATION = "controlplane.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": database}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Measured with four writing processes: anything less loses over half of the transactions.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "home"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "controlplane.lockout.locked_out"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = PLUMBLINE_HOME / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns of a missing one
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Served straight from the apps' folders: no collectstatic step stands between a clone and a page.
WHITENOISE_USE_FINDERS = True

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
# Prometheus, the replicas and health checks talk plain HTTP inside the cluster.
SECURE_REDIRECT_EXEMPT = [r"^metrics$", r"^healthz$", r"^api/serving/", r"^api/alertmanager/", r"^api/bundle$"]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # The admin theme's Alpine evaluates expressions in attributes; its templates hold inline scripts and styles.
        "script-src": [SELF, UNSAFE_EVAL, UNSAFE_INLINE],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

CSRF_FAILURE_VIEW = "controlplane.pages.errors.csrf_failed"

# A baseline's profile of a few hundred features takes well under 1 MiB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
# A model's page sends twelve fields for each of its features: Django's own limit is reached with 80 of them.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "controlplane.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "rest_framework.filters.SearchFilter",
        "rest_framework.filters.OrderingFilter",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "models_registry.api.errors.handle",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Plumbline",
    "DESCRIPTION": "The control plane for monitoring ML models with Prometheus, Alertmanager and Grafana.",
    "VERSION": "1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    # Fields of one name with other values: their types need names that stay.
    "ENUM_NAME_OVERRIDES": {
        "VersionStateEnum": ["registered", "shadow", "canary", "live", "retired"],
        "ReceiverSeverityEnum": "models_registry.models.team.Receiver.Severity",
        "ReceiverKindEnum": "models_registry.models.team.Receiver.Kind",
        "ChangeKindEnum": "models_registry.models.change.Change.Kind",
        "FeatureKindEnum": "models_registry.models.feature.Feature.Kind",
        "AlertSeverityEnum": "alerts.models.policy.Severity",
        "ObjectiveKindEnum": "alerts.models.objective.Objective.Kind",
    },
}

# --- Celery -----------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 270
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "socket_timeout": 5,
    "socket_connect_timeout": 0.5,
    "max_retries": 0,
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(PLUMBLINE_HOME / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "reconcile": {
        "task": "controlplane.reconcile",
        "schedule": RECONCILE_INTERVAL_SECONDS,
        # A tick that waited for a worker longer than that is replaced by the next one.
        "options": {"expires": RECONCILE_INTERVAL_SECONDS},
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # Each failed sign-in would be written twice otherwise.
    "loggers": {"axes": {"level": "WARNING"}},
}
