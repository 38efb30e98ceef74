"""Django's settings. Everything a person may set comes from an environment variable listed in docs/settings.md."""

from __future__ import annotations

from csp.constants import NONCE, NONE, SELF

from stepwell.conf import env, keyfile, paths
from stepwell.conf.database import database_from_url

HOME = paths.home()
DEBUG = env.flag("STEPWELL_DEBUG")
SECRET_KEY = env.secret("STEPWELL_SECRET_KEY") or keyfile.read_or_make(HOME / "session.key")
#: one "id:base64" key a line, newest first; see vault.keyring
KEYRING_FILE = HOME / "keyring"

HOSTS = env.names("STEPWELL_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
ALLOWED_HOSTS = HOSTS
# Its pages of errors show settings and local variables.
env.refuse_debug_beyond_this_machine(debug=DEBUG, hosts=HOSTS)
CSRF_TRUSTED_ORIGINS = env.names("STEPWELL_TRUSTED_ORIGINS", [])
#: set when people reach the instance over TLS: cookies then never travel in clear
TLS = env.flag("STEPWELL_TLS")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "stepwell.conf.apps.StepwellAdminConfig",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "django_htmx",
    "template_partials",
    "ninja",
    "stepwell.kit.apps.KitConfig",
    "stepwell.accounts.apps.AccountsConfig",
    "stepwell.vault.apps.VaultConfig",
    "stepwell.stacks.apps.StacksConfig",
    "stepwell.pipelines.apps.PipelinesConfig",
    "stepwell.runs.apps.RunsConfig",
    "stepwell.artifacts.apps.ArtifactsConfig",
    "stepwell.desk.apps.DeskConfig",
    "stepwell.alerts.apps.AlertsConfig",
    "stepwell.execution.apps.ExecutionConfig",
    "stepwell.web.apps.WebConfig",
    "stepwell.live.apps.LiveConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "stepwell.web.middleware.PermissionsPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "stepwell.web.access.AccessMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "stepwell.web.middleware.RequestMiddleware",
]

ROOT_URLCONF = "stepwell.conf.urls"
ASGI_APPLICATION = "stepwell.conf.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [paths.PROJECT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "stepwell.web.context.frame",
            ],
        },
    }
]

DATABASES = {"default": database_from_url(env.secret("DATABASE_URL"), home=HOME)}
REDIS_URL = env.secret("REDIS_URL")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = None
STATICFILES_DIRS = [paths.PROJECT / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

SESSION_COOKIE_NAME = "__Host-stepwell" if TLS else "stepwell"
CSRF_COOKIE_NAME = "__Host-stepwell-csrf" if TLS else "stepwell-csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = TLS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
CSRF_FAILURE_VIEW = "stepwell.web.errors.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if TLS else 0
SECURE_SSL_REDIRECT = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}

#: how the runner paces itself, in seconds; tests shorten these
HEARTBEAT_SECONDS = env.number("STEPWELL_HEARTBEAT_SECONDS", 5, low=0.05, high=60)
LEASE_SECONDS = env.number("STEPWELL_LEASE_SECONDS", 30, low=0.5, high=600)
SWEEP_SECONDS = env.number("STEPWELL_SWEEP_SECONDS", 5, low=0.1, high=60)
GRACE_SECONDS = env.number("STEPWELL_GRACE_SECONDS", 10, low=0.1, high=600)
HOOK_SECONDS = env.number("STEPWELL_HOOK_SECONDS", 10, low=0.1, high=3600)
#: where people reach this instance, for links in alerts
PUBLIC_URL = env.text("STEPWELL_PUBLIC_URL").rstrip("/")
#: networks that alerts may reach although they are private
ALERT_NETWORKS = env.networks("STEPWELL_ALERT_NETWORKS")
STEP_SLOTS_DEFAULT = int(env.number("STEPWELL_STEP_SLOTS", 4, low=1, high=256))
CRASH_BUDGET = 3
#: the most steps of one dynamic run, and pipelines that call each other
RUN_STEPS = int(env.number("STEPWELL_RUN_STEPS", 50_000, low=1, high=10_000_000))
RUN_DEPTH = int(env.number("STEPWELL_RUN_DEPTH", 50, low=1, high=1000))
#: a step with more processes at once is ended; 0: any number
STEP_PROCESSES = int(env.number("STEPWELL_STEP_PROCESSES", 512, low=0, high=1_000_000))
#: below this, or 5 % of a smaller disk, no step is started
DISK_RESERVE_BYTES = int(env.number("STEPWELL_DISK_RESERVE_MB", 500, low=0, high=10_000_000) * 2**20)

#: the most that one person's uploads over the API may hold until they are stored
UPLOAD_BYTES = int(env.number("STEPWELL_UPLOAD_MB", 10_240, low=1, high=10_000_000) * 2**20)

LOG_LEVEL = env.one_of("STEPWELL_LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "stepwell.kit.logbook.LineFormatter"}},
    "filters": {"short": {"()": "stepwell.kit.logbook.WithoutTraceback"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    # Libraries are heard when something is wrong only: they note down cookies, and addresses that hold passwords.
    "root": {"handlers": ["console"], "level": "ERROR" if LOG_LEVEL == "ERROR" else "WARNING"},
    "loggers": {
        "stepwell": {"level": LOG_LEVEL},
        "huey": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"filters": ["short"]},
    },
}

#: signing in by a company's own provider (OpenID Connect), when it is named
OIDC_URL = env.text("STEPWELL_OIDC_URL").rstrip("/")
OIDC_NAME = env.text("STEPWELL_OIDC_NAME", "single sign-on")
#: what people who come by it for the first time may do; "none": only those an admin has linked come in
OIDC_ROLE = env.one_of("STEPWELL_OIDC_ROLE", ("viewer", "operator", "none"))
if OIDC_URL:
    env.require_module("allauth", extra="oidc", named_by="STEPWELL_OIDC_URL")
    INSTALLED_APPS += ["allauth", "allauth.account", "allauth.socialaccount"]
    INSTALLED_APPS += ["allauth.socialaccount.providers.openid_connect"]
    MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
    SOCIALACCOUNT_ADAPTER = "stepwell.web.oidc.Adapter"
    SOCIALACCOUNT_LOGIN_ON_GET = True
    SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "APPS": [
                {
                    "provider_id": "sso",
                    "name": OIDC_NAME,
                    "client_id": env.text("STEPWELL_OIDC_CLIENT"),
                    "secret": env.secret("STEPWELL_OIDC_SECRET"),
                    "settings": {"server_url": OIDC_URL, "oauth_pkce_enabled": True},
                }
            ]
        }
    }

SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # whether other names of the domain are served over TLS is not ours to promise
    "security.W008",  # the proxy that ends TLS sends people from http to https
    "security.W021",  # as W005
]
