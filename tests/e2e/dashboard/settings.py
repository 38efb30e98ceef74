"""Settings of the dashboard's server: static files as an instance serves them, so that times mean something."""

from ipaddress import ip_network

from tests.settings import *  # noqa: F403

WHITENOISE_AUTOREFRESH = False
#: where the tests listen for webhooks
ALERT_NETWORKS = [ip_network("127.0.0.0/8")]
