"""What can be done with people, links, tokens and settings: one list of names for the layers above."""

from __future__ import annotations

from stepwell.accounts.instance import change_settings
from stepwell.accounts.links import accept_invite, make_invite, make_login_link, use_login_link
from stepwell.accounts.people import (
    change_password,
    change_preferences,
    change_role,
    end_sessions,
    first_admin,
    make_service,
    make_user,
    set_active,
)
from stepwell.accounts.sessions import end_session, list_sessions
from stepwell.accounts.sign_in import check_password, record_sign_out
from stepwell.accounts.tokens import make_token, revoke_token, rotate_token, token_user

__all__ = [
    "accept_invite",
    "change_password",
    "change_preferences",
    "change_role",
    "change_settings",
    "check_password",
    "end_session",
    "end_sessions",
    "first_admin",
    "list_sessions",
    "make_invite",
    "make_login_link",
    "make_service",
    "make_token",
    "make_user",
    "record_sign_out",
    "revoke_token",
    "rotate_token",
    "set_active",
    "token_user",
    "use_login_link",
]
