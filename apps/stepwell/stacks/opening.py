"""A component as one attempt gets it: its settings, with the secrets they refer to filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.views.decorators.debug import sensitive_variables

from stepwell.errors import NotFound
from stepwell.stacks import actions, references
from stepwell.vault.actions import values_for_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """``config`` may hold secret values, so it is never stored or printed; ``secret_values`` are to be masked."""

    name: str
    flavor: str
    config: dict[str, Any] = field(repr=False)
    secret_values: tuple[str, ...] = field(default=(), repr=False)


@sensitive_variables()
def open_for(option: str, value: str | bool | None, *, run_id: UUID, step_name: str, attempt_id: UUID) -> Opened | None:
    """Return the component an option of a step asks for, ready for use; None when it asks for none.

    Raises:
        NotFound: There is no such component, or a secret it refers to does not exist.
        VaultError: A value cannot be decrypted.
    """
    component = actions.find_for(option, value, step=step_name)
    if component is None:
        return None
    wanted = list(dict.fromkeys(references.find(component.config)))
    values: dict[tuple[str, str], str] = {}
    for secret, key in wanted:
        found = values_for_step(names=[secret], run_id=run_id, step_name=step_name, attempt_id=attempt_id)
        if key not in found:
            raise NotFound(
                f"The secret {secret} has no key {key}, which the component {component.name} refers to.",
                hint="Add the key to the secret, or change the component.",
            )
        values[secret, key] = found[key]
    return Opened(
        name=component.name,
        flavor=component.flavor,
        config=references.fill(component.config, values),
        secret_values=tuple(values.values()),
    )
