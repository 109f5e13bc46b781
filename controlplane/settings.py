"""Django's settings, read from the environment. docs/configuration.md lists every variable."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from controlplane import environment
from controlplane.secrets import ensure_secret
from controlplane.unfold_settings import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where things are -------------------------------------------------------------------------------------------
PLUMBLINE_HOME = Path(environment.text("PLUMBLINE_HOME", str(BASE_DIR / "var"))).resolve()
PLUMBLINE_HOME.mkdir(parents=True, exist_ok=True)
RELEASES_DIR = PLUMBLINE_HOME / "releases"
CURRENT_LINK = PLUMBLINE_HOME / "current"
TARGETS_DIR = PLUMBLINE_HOME / "targets"
ARTIFACTS_DIR = PLUMBLINE_HOME / "artifacts"
PREDICTIONS_DIR = Path(environment.text("PREDICTIONS_DIR", str(PLUMBLINE_HOME / "predictions")))
SECRETS_DIR = PLUMBLINE_HOME / "secrets"

PLUMBLINE_URL = environment.shown_url("PLUMBLINE_URL", "http://127.0.0.1:8000")
# The first is the one that is asked; all are configured, reloaded and verified.
PROMETHEUS_URL, *FURTHER_PROMETHEUS_URLS = environment.urls("PROMETHEUS_URL", "http://127.0.0.1:9090")
ALERTMANAGER_URL, *FURTHER_ALERTMANAGER_URLS = environment.urls("ALERTMANAGER_URL", "http://127.0.0.1:9093")
GRAFANA_URL = environment.shown_url("GRAFANA_URL")
GRAFANA_TOKEN = environment.text("GRAFANA_TOKEN")
REDIS_URL = environment.url("REDIS_URL", "redis://127.0.0.1:6379/0", ("redis", "rediss", "redis+socket", "unix"))

# --- Secrets ----------------------------------------------------------------------------------------------------
SECRET_KEY = environment.text("SECRET_KEY") or ensure_secret(SECRETS_DIR / "secret_key")
SERVING_TOKEN_FILE = environment.existing_file("SERVING_TOKEN_FILE", SECRETS_DIR / "serving_token")
SERVING_TOKEN = ensure_secret(SERVING_TOKEN_FILE)
WEBHOOK_TOKEN_FILE = environment.existing_file("WEBHOOK_TOKEN_FILE", SECRETS_DIR / "webhook_token")
WEBHOOK_TOKEN = ensure_secret(WEBHOOK_TOKEN_FILE)
BUNDLE_TOKEN_FILE = environment.existing_file("BUNDLE_TOKEN_FILE", SECRETS_DIR / "bundle_token")
BUNDLE_TOKEN = ensure_secret(BUNDLE_TOKEN_FILE)

# --- The loop and what it renders -------------------------------------------------------------------------------
ENVIRONMENT_LABEL = environment.text("ENVIRONMENT_LABEL", "production")
SCRAPE_INTERVAL_SECONDS = environment.whole("SCRAPE_INTERVAL_SECONDS", 15)
DRIFT_SCRAPE_INTERVAL_SECONDS = environment.whole("DRIFT_SCRAPE_INTERVAL_SECONDS", 60)
EVALUATION_INTERVAL_SECONDS = environment.whole("EVALUATION_INTERVAL_SECONDS", 30)
RECONCILE_INTERVAL_SECONDS = environment.whole("RECONCILE_INTERVAL_SECONDS", 15)
ROUTE_GROUP_WAIT_SECONDS = environment.whole("ROUTE_GROUP_WAIT_SECONDS", 30, minimum=0)
ROUTE_GROUP_INTERVAL_SECONDS = environment.whole("ROUTE_GROUP_INTERVAL_SECONDS", 300)
ROUTE_REPEAT_INTERVAL_SECONDS = environment.whole("ROUTE_REPEAT_INTERVAL_SECONDS", 14400)
# Addresses that Prometheus scrapes (host:port), beside the replicas, which announce their own.
PLUMBLINE_TARGET = environment.text("PLUMBLINE_TARGET", urlsplit(PLUMBLINE_URL).netloc)
DRIFT_EXPORTER_TARGET = environment.text("DRIFT_EXPORTER_TARGET", "127.0.0.1:9109")
NODE_EXPORTER_TARGETS = environment.names("NODE_EXPORTER_TARGETS")
# The team that gets what nobody else claims, and the meta alerts.
PLATFORM_TEAM = environment.text("PLATFORM_TEAM", "platform")
# The oldest of the Alertmanagers, and of the amtool beside Plumbline: some kinds of receivers need a newer one.
ALERTMANAGER_VERSION = environment.version("ALERTMANAGER_VERSION", "0.25")
# How Alertmanager sends e-mail; the password stays in a file that it reads itself.
SMTP_SMARTHOST = environment.text("SMTP_SMARTHOST")
SMTP_FROM = environment.text("SMTP_FROM")
SMTP_USERNAME = environment.text("SMTP_USERNAME")
SMTP_PASSWORD_FILE = os.environ.get("SMTP_PASSWORD_FILE", "")
# Where the operator's objects are meant to live; empty: the bundle has none.
KUBERNETES_NAMESPACE = environment.dns_label("KUBERNETES_NAMESPACE")
# The registry wakes the loop through this name, so that it needs to import nobody.
PLUMBLINE_WAKE = "controlplane.wake.wake"

# --- Django -----------------------------------------------------------------------------------------------------
DEBUG = environment.boolean("DEBUG", False)
ALLOWED_HOSTS = environment.names("ALLOWED_HOSTS") or [
    urlsplit(PLUMBLINE_URL).hostname or "localhost",
    "localhost",
    "127.0.0.1",
]
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

DATABASES = {"default": environment.database("DATABASE_URL", f"sqlite:///{PLUMBLINE_HOME / 'plumbline.sqlite3'}")}
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

# A baseline's profile of a few hundred features takes well under 1 MiB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

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
    "root": {"handlers": ["stderr"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    # Each failed sign-in would be written twice otherwise.
    "loggers": {"axes": {"level": "WARNING"}},
}
