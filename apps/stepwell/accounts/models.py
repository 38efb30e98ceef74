"""People, their roles and tokens, what they did, and the settings an admin changes at run time."""

from __future__ import annotations

import uuid
from typing import ClassVar, NoReturn

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac

from stepwell.accounts.zones import check_zone
from stepwell.core.ids import new_id
from stepwell.engine.redaction import parse_patterns
from stepwell.errors import ConfigError
from stepwell.kit.models import Row
from stepwell.kit.prepared import Select


def check_patterns(text: str) -> None:
    """Accept patterns of what is hidden in logs.

    Raises:
        ValidationError: One does not do.
    """
    try:
        parse_patterns(text)
    except ConfigError as exc:
        raise ValidationError(f"{exc.message} {exc.hint}".strip(), code="pattern") from None


class Role(models.TextChoices):
    VIEWER = "viewer", "Viewer"
    OPERATOR = "operator", "Operator"
    ADMIN = "admin", "Admin"


#: every role may do what the roles before it may
ROLE_ORDER: tuple[str, ...] = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


class User(AbstractUser):
    """A person (or service) that signs in."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)
    time_zone = models.CharField(
        max_length=64, blank=True, validators=[check_zone], help_text="Empty: the instance's time zone."
    )
    theme = models.CharField(
        max_length=8, blank=True, choices=[("", "As the system"), ("light", "Light"), ("dark", "Dark")]
    )

    palette = models.CharField(
        max_length=8, blank=True, choices=[("", "Usual"), ("safe", "For colour-blind eyes")], verbose_name="Colours"
    )
    #: single letters do things
    has_keys = models.BooleanField(default=True)
    #: how a log is shown until a person says otherwise beside it
    log_wraps = models.BooleanField(default=False, db_default=False)
    log_times = models.BooleanField(default=False, db_default=False)
    log_from_start = models.BooleanField(default=False, db_default=False)

    #: a program's account: it has no password and no link signs it in; its tokens are made by admins
    is_service = models.BooleanField(default=False, db_default=False)

    #: raised to end every session of this person: it is part of what a session is checked against
    session_epoch = models.PositiveIntegerField(default=0)

    def may(self, role: str) -> bool:
        """Return whether this person has ``role`` or a higher one."""
        return self.is_active and ROLE_ORDER.index(self.role) >= ROLE_ORDER.index(role)

    def save(self, *args, **kwargs) -> None:  # type: ignore[no-untyped-def]
        # Django's admin asks these two; our role is the only truth.
        self.is_staff = self.is_superuser = self.role == Role.ADMIN
        if (fields := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*fields, "is_staff", "is_superuser"}
        super().save(*args, **kwargs)

    def _get_session_auth_hash(self, secret=None) -> str:  # type: ignore[no-untyped-def]
        text = f"{self.password}:{self.session_epoch}"
        return salted_hmac("stepwell.accounts.session", text, secret=secret, algorithm="sha256").hexdigest()


class LoginLink(Row):
    """A link that signs in (or invites) one person, once."""

    class Purpose(models.TextChoices):
        LOGIN = "login"
        INVITE = "invite"

    token_hash = models.CharField(max_length=64, unique=True)
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="login_links")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)


class ApiToken(Row):
    """A bearer token for the API. Only a hash of it is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, db_index=True)
    token_hash = models.CharField(max_length=64, unique=True)
    #: the most this token may do; never more than its user may
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.OPERATOR)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    latest_use_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    def may(self, role: str) -> bool:
        """Return whether a caller with this token may do what ``role`` may."""
        return ROLE_ORDER.index(self.role) >= ROLE_ORDER.index(role) and self.user.may(role)

    @property
    def state(self) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= timezone.now() else "active"


class SignInThrottle(models.Model):
    """Wrong passwords of late, counted per account name and per address."""

    #: a hash of "name:<name>" or "ip:<address>": a typed name can be a password in the wrong field
    key = models.CharField(max_length=64, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    blocked_until = models.DateTimeField(null=True, blank=True)
    latest_at = models.DateTimeField(db_index=True)


class NeverChanged(TypeError):
    """Rows of the audit log are written once."""


class AppendOnly(models.QuerySet["AuditEvent"]):
    """Rows that are added and read, and nothing else."""

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise NeverChanged("The audit log is never changed.")

    update = bulk_update = update_or_create = delete = _raw_delete = _refuse


class AuditEvent(models.Model):
    """One act of a person: who, what, when, from where, before and after (never a secret's value)."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor_id = models.UUIDField(null=True, blank=True)
    actor_name = models.CharField(max_length=150, blank=True)
    action = models.CharField(max_length=64, db_index=True)
    object_kind = models.CharField(max_length=32, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=255, blank=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)

    objects = AppendOnly.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]

    def save(self, *args, **kwargs) -> None:  # type: ignore[no-untyped-def]
        if not self._state.adding:
            raise NeverChanged("The audit log is never changed.")
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args: object, **kwargs: object) -> NoReturn:
        raise NeverChanged("The audit log is never changed.")


class InstanceSettings(models.Model):
    """The one row of settings an admin changes while the program runs."""

    SINGLETON = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=SINGLETON, editable=False)
    instance_name = models.CharField(
        max_length=60, default="Stepwell", help_text="Shown at the top of every page and in its title."
    )
    step_slots = models.PositiveSmallIntegerField(
        default=4,
        validators=[MinValueValidator(1), MaxValueValidator(256)],
        help_text="How many steps one runner runs at the same time.",
    )
    heartbeat_threshold_minutes = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
        help_text="Minutes without a beat before a step counts as unhealthy.",
    )
    step_retries = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        validators=[MaxValueValidator(20)],
        help_text="How often a step that fails is tried again.",
    )
    step_retry_wait_seconds = models.PositiveIntegerField(
        default=0,
        db_default=0,
        validators=[MaxValueValidator(86_400)],
        help_text="Seconds before each of these tries.",
    )
    step_timeout_seconds = models.PositiveIntegerField(
        default=0,
        db_default=0,
        validators=[MaxValueValidator(2_592_000)],
        help_text="Seconds after which a step is stopped and fails. 0: never.",
    )
    step_cache = models.BooleanField(
        default=True,
        db_default=True,
        help_text="A step whose code and inputs are as before takes the result of before.",
    )
    retention_days = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(36500)],
        help_text="Days finished runs are kept. 0 keeps them for ever.",
    )
    retention_runs = models.PositiveIntegerField(
        default=0,
        db_default=0,
        validators=[MaxValueValidator(1_000_000)],
        help_text="Finished runs kept of each pipeline, the newest. 0 keeps all.",
    )
    log_cap_mib = models.PositiveIntegerField(
        default=64,
        validators=[MinValueValidator(1), MaxValueValidator(65536)],
        help_text="The most log kept per attempt, in MiB: its first quarter and its last three.",
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[check_zone],
        help_text="The zone times are shown in for people who chose none of their own.",
    )
    redaction_patterns = models.TextField(
        blank=True,
        default="",
        db_default="",
        max_length=12_000,
        validators=[check_patterns],
        help_text=(
            "Hidden in what steps print before it is stored, one a line: a name such as api_key hides the value behind "
            "“api_key=” or “api_key:”, /AKIA[0-9A-Z]{16}/ what the expression finds. Values of secrets always are."
        ),
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = verbose_name_plural = "instance settings"

    def __str__(self) -> str:
        return "Instance settings"

    @classmethod
    def load(cls) -> InstanceSettings:
        """Return the row, made with its defaults when there is none yet."""
        row: InstanceSettings | None = _INSTANCE.first()
        if row is None:
            # Another process may make it at the same time.
            made = cls(id=cls.SINGLETON, step_slots=settings.STEP_SLOTS_DEFAULT)
            cls.objects.bulk_create([made], ignore_conflicts=True)
            row = cls.objects.get(id=cls.SINGLETON)
        return row


_INSTANCE = Select(lambda: InstanceSettings.objects.filter(id=InstanceSettings.SINGLETON))


def as_uuid(text: str) -> uuid.UUID | None:
    """Return the UUID ``text`` spells, or None."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
