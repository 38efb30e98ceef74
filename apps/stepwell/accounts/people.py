"""People and their roles: making, changing, switching off, and what each person sets for themselves."""

from __future__ import annotations

import itertools

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q
from django.views.decorators.debug import sensitive_variables

from stepwell.accounts import audit, links, sign_in
from stepwell.accounts.models import ROLE_ORDER, Role, User
from stepwell.errors import Conflict, Denied, UsageError


class LastAdmin(Conflict):
    """Somebody has to stay admin."""

    code = "last_admin"


@sensitive_variables("password")
def make_user(
    *, name: str, role: str, password: str | None = None, by: User | None = None, ip: str | None = None
) -> User:
    """Make a person; without a password only a one-time link signs them in.

    Raises:
        NameTaken: There is a person of this name.
        UsageError: The name, role or password does not do.
    """
    _check_role(role)
    with transaction.atomic():
        user = links.new_user(name=name, role=role, password=password)
        _record(user, by=by, action="person.made", ip=ip, after={"role": role})
    return user


def make_service(*, name: str, role: str, by: User | None = None, ip: str | None = None) -> User:
    """Make an account for a program: it owns tokens, and nobody signs in with it.

    Raises:
        NameTaken: There is a person or service of this name.
        UsageError: The name or role does not do.
    """
    _check_role(role)
    with transaction.atomic():
        user = links.new_user(name=name, role=role, password=None)
        user.is_service = True
        user.save(update_fields=["is_service"])
        _record(user, by=by, action="service.made", ip=ip, after={"role": role})
    return user


def first_admin() -> User:
    """Return the active admin who has been there longest.

    One called ``admin`` (or ``admin2``, ... when that name is taken), without a password, is made when there is none.
    """
    with transaction.atomic():
        admin = (
            User.objects.filter(role=Role.ADMIN, is_active=True, is_service=False).order_by("date_joined", "pk").first()
        )
        if admin is not None:
            return admin
        names = itertools.chain(["admin"], (f"admin{number}" for number in itertools.count(2)))
        taken = {name.casefold() for name in User.objects.values_list("username", flat=True)}
        return make_user(name=next(name for name in names if name not in taken), role=Role.ADMIN)


def change_role(*, user: User, role: str, by: User | None, ip: str | None = None) -> User:
    """Give ``user`` another role. Their sessions end, so that none of them outlives the rights it began with.

    Raises:
        LastAdmin: No active admin would be left.
        Denied: It is one's own role.
        UsageError: There is no such role.
    """
    _check_role(role)
    with transaction.atomic():
        user, admins = _locked(user)
        if user.role == role:
            return user
        if role != Role.ADMIN:
            _keep_an_admin(user, admins)
        if by is not None and by.pk == user.pk:
            raise Denied("Nobody changes their own role.", hint="Ask another admin.")
        before, user.role = user.role, role
        user.session_epoch += 1
        user.save(update_fields=["role", "session_epoch"])
        _record(user, by=by, action="role.changed", ip=ip, before={"role": before}, after={"role": role})
    return user


def set_active(*, user: User, active: bool, by: User | None, ip: str | None = None) -> User:
    """Switch a person off (sessions and tokens stop working at once) or on again.

    Raises:
        LastAdmin: No active admin would be left.
        Denied: It is one's own account.
    """
    with transaction.atomic():
        user, admins = _locked(user)
        if user.is_active == active:
            return user
        if not active:
            _keep_an_admin(user, admins)
        if by is not None and by.pk == user.pk:
            raise Denied("Nobody switches off their own account.", hint="Ask another admin.")
        user.is_active = active
        user.session_epoch += 1
        user.save(update_fields=["is_active", "session_epoch"])
        _record(user, by=by, action="person.activated" if active else "person.deactivated", ip=ip)
    return user


@sensitive_variables("current", "password")
def change_password(*, user: User, current: str, password: str, ip: str | None = None) -> None:
    """Set a person's own password; every session made with the old one ends.

    Args:
        current:
            The password so far. Not looked at when the person has none and came by a link.

    Raises:
        WrongPassword: ``current`` is not their password.
        TooManyAttempts: It was wrong too often.
        UsageError: The new password does not do.
    """
    if user.has_usable_password():
        sign_in.confirm_password(user=user, password=current, ip=ip)
    links.check_new_password(user=user, password=password)
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        _record(user, by=user, action="password.changed", ip=ip)


#: what a person has on or off: single-letter keys, and how logs are shown
SWITCHES = ("has_keys", "log_wraps", "log_times", "log_from_start")


def change_preferences(
    *,
    user: User,
    time_zone: str,
    theme: str,
    palette: str | None = None,
    ip: str | None = None,
    **switches: bool,
) -> None:
    """Store what a person chose: time zone (empty: the instance's), theme (empty: the system's), colours, ``SWITCHES``.

    ``palette`` stays as it is when it is None, and a switch that is not given.

    Raises:
        UsageError: There is no such zone or theme; ``fields`` in its details says which.
    """
    if unknown := switches.keys() - set(SWITCHES):
        raise TypeError(f"{sorted(unknown)} are no switches of a person")
    asked = {"time_zone": time_zone, "theme": theme, "palette": palette, **switches}
    after = {name: value for name, value in asked.items() if value is not None}
    before = {name: getattr(user, name) for name in after}
    if before == after:
        return
    for name, value in after.items():
        setattr(user, name, value)
    try:
        user.clean_fields(exclude={field.name for field in User._meta.fields} - set(after))
    except ValidationError as exc:
        fields = {name: " ".join(texts) for name, texts in exc.message_dict.items()}
        raise UsageError("These preferences do not fit.", hint=" ".join(fields.values()), fields=fields) from None
    with transaction.atomic():
        user.save(update_fields=list(after))
        _record(user, by=user, action="preferences.changed", ip=ip, before=before, after=after)


def end_sessions(*, user: User, by: User, ip: str | None = None) -> None:
    """End every session of ``user``, on all devices."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
        _record(user, by=by, action="sessions.ended", ip=ip)


def _locked(user: User) -> tuple[User, list[User]]:
    """Return a person as they are now, and the active admins, all locked.

    One statement locks them in one order: two admins who switch each other off at once come one after the other.
    """
    mine = Q(pk=user.pk)
    rows = User.objects.select_for_update().filter(mine | Q(role=Role.ADMIN, is_active=True)).order_by("pk")
    found = {row.pk: row for row in rows}
    # A program does not sign in, and so cannot be the one who lets others in.
    admins = [row for row in found.values() if row.role == Role.ADMIN and row.is_active and not row.is_service]
    return found[user.pk], admins


def _keep_an_admin(user: User, admins: list[User]) -> None:
    if [admin.pk for admin in admins] == [user.pk]:
        raise LastAdmin(
            f"{user.username} is the last active admin.", hint="Make somebody else an admin first, then repeat this."
        )


def _check_role(role: str) -> None:
    if role not in ROLE_ORDER:
        raise UsageError(f"“{role[:40]}” is not a role.", hint=f"Use one of {', '.join(ROLE_ORDER)}.")


def _record(
    user: User,
    *,
    by: User | None,
    action: str,
    ip: str | None,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    audit.record(
        actor=by,
        action=action,
        object_kind="person",
        object_id=user.pk,
        object_name=user.username,
        ip=ip,
        before=before,
        after=after,
    )
