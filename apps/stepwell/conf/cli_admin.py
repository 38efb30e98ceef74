"""Commands about secrets, tokens and signing in."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from getpass import getpass
from typing import TYPE_CHECKING

from stepwell.conf import env, paths
from stepwell.conf.cli_options import near
from stepwell.conf.cli_output import iso, moment, print_json, print_table
from stepwell.conf.cli_parser import DEFAULT_HOST, DEFAULT_PORT
from stepwell.conf.cli_setup import load_database
from stepwell.errors import NotFound, UsageError

if TYPE_CHECKING:
    from stepwell.accounts.models import ApiToken, User
    from stepwell.vault.models import Secret

_LONGEST_TOKEN_DAYS = 3650


def list_secrets(options: argparse.Namespace) -> int:
    """Print the names of secrets and of their values."""
    load_database()
    from stepwell.vault import queries

    lines = queries.list_secrets()
    if options.json:
        print_json(
            [
                {
                    "id": str(line.id),
                    "name": line.name,
                    "keys": line.keys,
                    "version": line.version,
                    "set_at": iso(line.set_at),
                }
                for line in lines
            ]
        )
        return 0
    rows = [(line.name, ", ".join(line.keys), line.version, moment(line.set_at)) for line in lines]
    print_table(("SECRET", "KEYS", "VERSION", "SET"), rows, empty="No secrets.")
    return 0


def create_secret(options: argparse.Namespace) -> int:
    """Store a new secret."""
    values = _read_values(options)
    load_database()
    from stepwell.vault import actions

    secret = actions.put_secret(name=options.name, values=values, by=None)
    print(f"Secret {secret.name} was created with {', '.join(secret.keys)}.")
    return 0


def rotate_secret(options: argparse.Namespace) -> int:
    """Replace all values of a secret."""
    load_database()
    from stepwell.vault import actions

    secret = actions.rotate_secret(secret=_find_secret(options.name), values=_read_values(options), by=None)
    print(f"Secret {secret.name} is now version {secret.version} with {', '.join(secret.keys)}.")
    return 0


def rekey_secrets(options: argparse.Namespace) -> int:
    """Make a new key, and encrypt everything that is encrypted with it."""
    load_database()
    from stepwell.vault import actions

    n_done = actions.rotate_keys()
    print(f"A new key was made, and {n_done} stored {'value was' if n_done == 1 else 'values were'} encrypted with it.")
    return 0


def delete_secret(options: argparse.Namespace) -> int:
    """Delete a secret and all its versions."""
    load_database()
    from stepwell.vault import actions

    actions.delete_secret(secret=_find_secret(options.name), by=None)
    print(f"Secret {options.name} was deleted.")
    return 0


def list_tokens(options: argparse.Namespace) -> int:
    """Print the API tokens of everybody."""
    load_database()
    from stepwell.accounts.models import ApiToken

    tokens = list(ApiToken.objects.select_related("user"))
    if options.json:
        print_json([_token_as_json(token) for token in tokens])
        return 0
    rows = [
        (token.prefix, token.name, token.user.username, token.role, token.state, moment(token.expires_at))
        for token in tokens
    ]
    print_table(("TOKEN", "NAME", "USER", "ROLE", "STATE", "EXPIRES"), rows, empty="No tokens.")
    return 0


def create_token(options: argparse.Namespace) -> int:
    """Make an API token and print it: on standard output alone, so that it can go to a file or variable."""
    if not 0 <= options.days <= _LONGEST_TOKEN_DAYS:
        raise UsageError(f"--days is {options.days}.", hint=f"Use 0 (for ever) to {_LONGEST_TOKEN_DAYS}.")
    load_database()
    from stepwell.accounts import actions

    expires_at = datetime.now(UTC) + timedelta(days=options.days) if options.days else None
    user = _find_user(options.user)
    _, raw = actions.make_token(user=user, name=options.name, role=options.role, expires_at=expires_at)
    print(raw)
    print(f"It acts for {user.username} as {options.role}. Keep it: it is not shown again.", file=sys.stderr)
    return 0


def revoke_token(options: argparse.Namespace) -> int:
    """End an API token."""
    load_database()
    from stepwell.accounts import actions

    token = _find_token(options.token)
    actions.revoke_token(token=token, by=None)
    print(f"Token {token.name} of {token.user.username} no longer works.")
    return 0


def login_link(options: argparse.Namespace) -> int:
    """Print a link that signs one person in once."""
    load_database()
    from django.urls import reverse

    from stepwell.accounts import actions

    path = reverse("login_link", args=[actions.make_login_link(user=_find_user(options.user))])
    print(f"{_base_url()}{path}")
    print("It works once, for 15 minutes.", file=sys.stderr)
    return 0


def _base_url() -> str:
    """Return where people reach ``stepwell up`` of this data folder, or would."""
    if public := env.text("STEPWELL_PUBLIC_URL").rstrip("/"):
        return public
    try:
        return (paths.home() / "address").read_text(encoding="ascii").strip()
    except OSError:
        return f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"


def _read_values(options: argparse.Namespace) -> dict[str, str]:
    """Read a secret's values from anywhere but the command line, which other users of the machine can see."""
    keys: list[str] = options.keys
    if wrong := [key for key in keys if "=" in key]:
        raise UsageError(
            f"Give the name only, not “{wrong[0].partition('=')[0]}=…”.",
            hint="Values are asked for, or come from --from-env or --stdin; on the command line others could see them.",
        )
    if options.from_env:
        if missing := [key for key in keys if key not in os.environ]:
            raise UsageError(f"There is no environment variable {', '.join(missing)}.")
        return {key: os.environ[key] for key in keys}
    if options.stdin or not sys.stdin.isatty():
        lines = sys.stdin.read().splitlines()
        if len(lines) != len(keys):
            raise UsageError(
                f"Standard input has {len(lines)} lines for {len(keys)} keys.", hint="Give one value a line, in order."
            )
        return dict(zip(keys, lines, strict=True))
    return {key: getpass(f"Value of {key}: ") for key in keys}


def _find_secret(name: str) -> Secret:
    from stepwell.vault.models import Secret

    secret = Secret.objects.filter(name=name).first()
    if secret is None:
        names = Secret.objects.values_list("name", flat=True)
        raise NotFound(f"There is no secret “{name[:80]}”.", hint=near(name, names))
    return secret


def _find_user(name: str | None) -> User:
    from stepwell.accounts import actions
    from stepwell.accounts.models import User

    if name is None:
        return actions.first_admin()
    user = User.objects.filter(username__iexact=name).first()
    if user is None:
        names = User.objects.filter(is_active=True).values_list("username", flat=True)
        raise NotFound(f"There is no user “{name[:80]}”.", hint=near(name, names))
    return user


def _find_token(ref: str) -> ApiToken:
    from django.db.models import Q

    from stepwell.accounts.models import ApiToken, as_uuid

    live = ApiToken.objects.filter(revoked_at=None).select_related("user")
    key = as_uuid(ref)
    found = list(live.filter(Q(id=key) if key else Q(name=ref) | Q(prefix__startswith=ref))[:2])
    if not found:
        raise NotFound(f"There is no token “{ref[:80]}” that still works.", hint="“stepwell tokens” lists them.")
    if len(found) > 1:
        raise UsageError(f"“{ref[:80]}” fits several tokens.", hint="Give its id; “stepwell tokens --json” shows it.")
    return found[0]


def _token_as_json(token: ApiToken) -> dict[str, str | None]:
    return {
        "id": str(token.id),
        "prefix": token.prefix,
        "name": token.name,
        "user": token.user.username,
        "role": token.role,
        "state": token.state,
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at),
        "latest_use_at": iso(token.latest_use_at),
    }
