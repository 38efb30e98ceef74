"""Settings of the dashboard's server: static files as an instance serves them, so that times mean something."""

from tests.settings import *  # noqa: F403

WHITENOISE_AUTOREFRESH = False
