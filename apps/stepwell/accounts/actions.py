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
    make_user,
    set_active,
)
from stepwell.accounts.sign_in import check_password, record_sign_out
from stepwell.accounts.tokens import make_token, revoke_token, token_user

__all__ = [
    "accept_invite",
    "change_password",
    "change_preferences",
    "change_role",
    "change_settings",
    "check_password",
    "end_sessions",
    "first_admin",
    "make_invite",
    "make_login_link",
    "make_token",
    "make_user",
    "record_sign_out",
    "revoke_token",
    "set_active",
    "token_user",
    "use_login_link",
]
