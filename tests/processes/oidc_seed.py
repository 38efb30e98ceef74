"""What the tests of the provider ask the server's database."""

from __future__ import annotations

from stepwell.accounts.models import AuditEvent, User


def names() -> list[str]:
    return list(User.objects.values_list("username", flat=True))


def acts() -> list[str]:
    return list(AuditEvent.objects.filter(action__startswith="sign_in").order_by("pk").values_list("action", flat=True))
