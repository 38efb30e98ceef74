"""Commands about components: experiment trackers, step operators, the artifact store."""

from __future__ import annotations

import argparse
from typing import Any

from stepwell.conf.cli_options import near, split_pairs
from stepwell.conf.cli_output import print_json, print_table
from stepwell.conf.cli_setup import load_database
from stepwell.errors import UsageError


def list_components(options: argparse.Namespace) -> int:
    """Print the components of this instance."""
    load_database()
    from stepwell.stacks import queries

    lines = queries.list_components()
    if options.json:
        print_json(
            [
                {
                    "kind": line.kind,
                    "flavor": line.flavor,
                    "name": line.name,
                    "default": line.is_default,
                    "config": line.config,
                }
                for line in lines
            ]
        )
        return 0
    rows = [(line.kind, line.name, line.flavor, "yes" if line.is_default else "", line.place) for line in lines]
    print_table(("KIND", "NAME", "FLAVOR", "DEFAULT", "WHERE"), rows, empty="No components.")
    return 0


def add_component(options: argparse.Namespace) -> int:
    """Store a new component."""
    load_database()
    from stepwell.stacks import actions
    from stepwell.stacks.flavors import find_flavor

    config = _read_config(options.settings, find_flavor(options.kind, options.flavor).settings.model_fields)
    component = actions.add_component(
        kind=options.kind,
        flavor=options.flavor,
        name=options.name,
        config=config,
        is_default=options.default,
        by=None,
    )
    told = ", the default of its kind" if component.is_default else ""
    print(f"Added {component.name}{told}.")
    return 0


def remove_component(options: argparse.Namespace) -> int:
    """Remove a component."""
    load_database()
    from stepwell.stacks import actions, queries

    actions.remove_component(component=queries.find_component(options.kind, options.name), by=None)
    print(f"Removed {options.name}. Steps that name it fail from now on.")
    return 0


def set_default(options: argparse.Namespace) -> int:
    """Choose the component that True in an option means."""
    load_database()
    from stepwell.stacks import actions, queries

    actions.set_default(component=queries.find_component(options.kind, options.name), by=None)
    print(f"{options.name} is the default now.")
    return 0


def _read_config(words: list[str], fields: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that ``NAME=VALUE`` and ``NAME.KEY=VALUE`` spell.

    Raises:
        UsageError: There is no such setting, or it has nothing inside it.
    """
    config: dict[str, Any] = {}
    for address, text in split_pairs(words).items():
        name, _, key = address.partition(".")
        if name not in fields:
            raise UsageError(f"There is no setting called “{name[:80]}”.", hint=near(name, fields))
        holds_pairs = isinstance(fields[name].get_default(), dict)
        if holds_pairs != bool(key):
            raise UsageError(
                f"“{address[:80]}” is not how {name} is set.",
                hint=f"Write {name}.KEY=VALUE." if holds_pairs else f"Write {name}=VALUE.",
            )
        if key:
            config.setdefault(name, {})[key] = text
        else:
            config[name] = text
    return config
