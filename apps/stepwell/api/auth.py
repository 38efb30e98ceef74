"""Who calls and what they may do: a bearer token, or the browser session with its CSRF token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.middleware.csrf import CsrfViewMiddleware
from ninja.errors import AuthenticationError
from ninja.security.base import AuthBase

from stepwell.accounts import actions
from stepwell.accounts.models import ROLE_ORDER, ApiToken, User
from stepwell.accounts.roles import ENVIRONMENT
from stepwell.api.bodies import check_body
from stepwell.api.errors import CsrfFailed, TooManyRequests
from stepwell.errors import Denied
from stepwell.kit.allowance import Allowances

#: what one token or session may ask of one web process: so many at once, then so many a second
READS = Allowances(burst=300, rate=60)
WRITES = Allowances(burst=100, rate=20)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The person behind a request and the role that counts for it."""

    user: User
    role: str
    token: ApiToken | None = None

    def may(self, role: str) -> bool:
        return ROLE_ORDER.index(self.role) >= ROLE_ORDER.index(role)

    @property
    def sees_all(self) -> bool:
        """Whether the values of environment variables are shown."""
        return ENVIRONMENT.may(self.role)


class ApiRequest(HttpRequest):
    """A request that was let in."""

    auth: Caller


def needs(role: str) -> list[AuthBase]:
    """Return what an operation's ``auth`` is when it needs ``role`` or a higher one."""
    return [TokenAuth(role), SessionAuth(role)]


def find_caller(request: HttpRequest) -> Caller | None:
    """Return who a safe request comes from, by token or session; None when nobody is signed in."""
    if "Authorization" in request.headers:
        return _token_caller(request)
    return _session_caller(request)


class TokenAuth(AuthBase):
    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, role: str) -> None:
        self.role = role
        super().__init__()

    def __call__(self, request: HttpRequest) -> Caller | None:
        if "Authorization" not in request.headers:
            return None
        caller = _token_caller(request)
        if caller is None:
            # A wrong token is never made good by a session that happens to be there.
            raise AuthenticationError
        return _admit(request, caller, self.role)


class SessionAuth(AuthBase):
    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_name = "session"
    #: the documentation page then sends the CSRF token along
    csrf = True

    def __init__(self, role: str) -> None:
        self.role = role
        super().__init__()

    def __call__(self, request: HttpRequest) -> Caller | None:
        caller = _session_caller(request)
        if caller is None:
            return None
        _check_csrf(request)
        return _admit(request, caller, self.role)


class _CsrfCheck(CsrfViewMiddleware):
    """Django's check, without the page it shows to people."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return HttpResponseForbidden()


def _check_csrf(request: HttpRequest) -> None:
    check = _CsrfCheck(lambda _: HttpResponse())
    # The middleware has passed by: ninja's views are exempt from it, because tokens need no CSRF token.
    request.csrf_processing_done = False  # type: ignore[attr-defined]
    check.process_request(request)
    if check.process_view(request, _check_csrf, (), {}) is not None:
        raise CsrfFailed(hint="Send it as the header X-CSRFToken, from a page of this server.")


def _token_caller(request: HttpRequest) -> Caller | None:
    scheme, _, raw = request.headers["Authorization"].partition(" ")
    if scheme.lower() != "bearer" or not raw.strip():
        return None
    found: tuple[User, ApiToken] | None = actions.token_user(raw.strip())
    if found is None or not found[0].is_active:
        return None
    user, token = found
    return Caller(user=user, role=min(user.role, token.role, key=ROLE_ORDER.index), token=token)


def _session_caller(request: HttpRequest) -> Caller | None:
    user: Any = request.user
    if not user.is_authenticated or not user.is_active:
        return None
    return Caller(user=user, role=user.role)


def _admit(request: HttpRequest, caller: Caller, role: str) -> Caller:
    """Refuse a caller below ``role`` or who asks too often; then, and only then, look at the body."""
    if not caller.may(role):
        raise Denied(f"This needs the role {role}; yours is {caller.role}.", hint="Ask an admin of this instance.")
    allowances = READS if request.method in _SAFE_METHODS else WRITES
    if seconds := allowances.spend(caller.token.pk if caller.token else caller.user.pk):
        raise TooManyRequests(seconds=seconds)
    check_body(request)
    return caller
