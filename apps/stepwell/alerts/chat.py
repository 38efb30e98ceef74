"""E-mail and chat through the library apprise, for an allow-list of its services."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from django.views.decorators.debug import sensitive_variables

from stepwell.alerts import leash, outbound
from stepwell.errors import ConfigError, Unavailable, UsageError

#: services by their schema in an apprise address; those that run programs or write files are not among them
SCHEMAS = {
    "mailto": "e-mail",
    "mailtos": "e-mail",
    "slack": "Slack",
    "discord": "Discord",
    "msteams": "Microsoft Teams",
    "workflows": "Microsoft Teams",
    "gchat": "Google Chat",
    "tgram": "Telegram",
    "matrix": "Matrix",
    "matrixs": "Matrix",
    "mmost": "Mattermost",
    "mmosts": "Mattermost",
    "rocket": "Rocket.Chat",
    "rockets": "Rocket.Chat",
    "ntfy": "ntfy",
    "ntfys": "ntfy",
    "pover": "Pushover",
    "zulip": "Zulip",
    "opsgenie": "Opsgenie",
    "pagerduty": "PagerDuty",
}


@sensitive_variables()
def check(url: str) -> str:
    """Return the name of the service an apprise address is of.

    Raises:
        ConfigError: apprise is not installed.
        UsageError: It is not an address apprise understands, or of a service that is not allowed.
    """
    schema = url.partition("://")[0].lower()
    if schema not in SCHEMAS:
        known = ", ".join(f"{name}://" for name in SCHEMAS)
        raise UsageError("This is not the address of a service that is allowed.", hint=f"It begins with one of {known}")
    _open(url)
    return SCHEMAS[schema]


@sensitive_variables()
def send(url: str, *, title: str, body: str) -> None:
    """Send one message.

    Raises:
        ConfigError: apprise is not installed.
        UsageError: The address does not do, or leads to a private network.
        Unavailable: The service did not take it.
    """
    check(url)
    service = _open(url)
    for host in {getattr(service, "smtp_host", None) or getattr(service, "host", None)} - {None, ""}:
        if "." in host or ":" in host or host == "localhost":
            outbound.resolve(host, 443)
    with leash.public_only():
        is_taken = service.notify(title=title, body=body)
    if not is_taken:
        raise Unavailable(f"{service.service_name} did not take the message.")


@sensitive_variables()
def _open(url: str) -> Any:
    if importlib.util.find_spec("apprise") is None:
        raise ConfigError(
            "E-mail and chat need the library apprise, which is not installed.", hint='pip install "stepwell[notify]"'
        )
    # It imports more than a hundred services, which only who sends a message should pay for.
    apprise = importlib.import_module("apprise")
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        raise UsageError("apprise does not understand this address.", hint="Its documentation says how it is written.")
    return service
