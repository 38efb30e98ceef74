"""Settings of the Django tests: a data folder of their own, quick passwords, a quick pace."""

import os
import tempfile

os.environ.setdefault("STEPWELL_HOME", tempfile.mkdtemp(prefix="stepwell-test-"))

from stepwell.conf.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
WHITENOISE_AUTOREFRESH = True
if "sqlite" in DATABASES["default"]["ENGINE"]:  # noqa: F405
    # A file, as in life: an in-memory database locks by other rules.
    DATABASES["default"]["TEST"] = {"NAME": str(HOME / "test.db")}  # noqa: F405
# For its ``flush``, which comes before Django's.
INSTALLED_APPS = ["tests.plugins", *INSTALLED_APPS]  # noqa: F405
