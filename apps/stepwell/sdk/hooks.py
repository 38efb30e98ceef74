"""Hooks: functions that run around a step, checked when they are given and found again when they run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from stepwell.errors import ConfigError
from stepwell.sdk import typenames

STEP_HOOKS = ("on_start", "on_success", "on_failure", "on_end")
PIPELINE_HOOKS = ("on_init", "on_cleanup")
#: hooks that may take the exception
_WITH_EXCEPTION = frozenset({"on_failure", "on_end"})


def check_hook(name: str, hook: Any, *, owner: str) -> Any:
    """Return the hook when it can serve as ``name``; a dotted name is only looked at once it is needed.

    Raises:
        ConfigError: It is neither a function nor a dotted name, or takes other arguments.
    """
    if isinstance(hook, str):
        if "." not in hook or not all(part.isidentifier() for part in hook.split(".")):
            raise ConfigError(
                f"{owner}: {name} is {hook!r}.", hint="Give a function or its dotted name, such as mymodule.notify."
            )
        return hook
    if not callable(hook):
        raise ConfigError(
            f"{owner}: {name} is {hook!r}, which cannot be called.", hint="Give a function or its dotted name."
        )
    _check_arity(name, hook, owner=owner)
    return hook


def load_hook(name: str, hook: Any, *, owner: str) -> Callable[..., Any]:
    """Return the function a hook stands for.

    Raises:
        ConfigError: A dotted name leads nowhere, or what it leads to takes other arguments.
    """
    if not isinstance(hook, str):
        return hook  # type: ignore[no-any-return]
    try:
        found = typenames.find_dotted(hook)
    except LookupError as exc:
        raise ConfigError(
            f"{owner}: {name} is {hook!r}, which cannot be found.", hint="Check the module and the name."
        ) from exc
    check_hook(name, found, owner=owner)
    return found  # type: ignore[no-any-return]


def call_hook(name: str, hook: Callable[..., Any], exception: BaseException | None = None) -> Any:
    """Call a hook, with the exception where it takes one."""
    if name in _WITH_EXCEPTION and _binds(hook, 1):
        return hook(exception)
    return hook()


def describe(hook: Any) -> str | None:
    """Return the dotted name that leads back to the hook, or words for one that has none."""
    if hook is None or isinstance(hook, str):
        return hook
    if found := typenames.reference(hook):
        return ".".join(found)
    if isinstance(hook, functools.partial):
        return f"partial of {describe(hook.func)}"
    code = getattr(inspect.unwrap(hook), "__code__", None)
    place = f" at {code.co_filename.rsplit('/', 1)[-1]}:{code.co_firstlineno}" if code else ""
    name = getattr(hook, "__qualname__", None) or type(hook).__qualname__
    return f"{name}{place}"


def _check_arity(name: str, hook: Callable[..., Any], *, owner: str) -> None:
    if _binds(hook, 0) or (name in _WITH_EXCEPTION and _binds(hook, 1)):
        return
    takes = "no argument, or one: the exception" if name in _WITH_EXCEPTION else "no arguments"
    raise ConfigError(
        f"{owner}: {name} is {describe(hook)}, which cannot be called this way.", hint=f"It takes {takes}."
    )


def _binds(hook: Callable[..., Any], count: int) -> bool:
    try:
        signature = inspect.signature(hook)
    except (TypeError, ValueError):
        # Some built-in functions do not tell their signature; print is one that people use.
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True
