"""Stored artifacts as arguments: versions that were looked up, ``ExternalArtifact``, and ids of versions."""

from __future__ import annotations

import importlib
from typing import Any
from uuid import UUID

from stepwell.core.values import is_reference
from stepwell.errors import NotFound
from stepwell.sdk.coercion import adapter


def understand(value: Any, annotation: Any) -> Any:
    """Return the artifact version whose id ``value`` is, where ``annotation`` does not ask for an id; else the value.

    Raises:
        NotFound: It is an id that fits nothing else, and there is no such version.
    """
    if not _is_id(value):
        return value
    checker = adapter(annotation)
    if checker is not None and _fits(checker, value):
        return value
    if checker is None and isinstance(value, str):
        return value
    # By name: the client stands above tracing, which asks here.
    client = importlib.import_module("stepwell.sdk.client").Client()
    try:
        return client.get_artifact_version(str(value))
    except NotFound:
        if checker is None:
            return value
        raise


def holds_reference(value: Any) -> bool:
    """Return whether a value is a stored artifact or a list, tuple or dict with one in it at any depth."""
    if is_reference(value):
        return True
    if isinstance(value, dict):
        return any(holds_reference(item) for item in value.values())
    return type(value) in (list, tuple) and any(holds_reference(item) for item in value)


def _is_id(value: Any) -> bool:
    if isinstance(value, UUID):
        return True
    if not isinstance(value, str) or len(value) != 36:
        return False
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def _fits(checker: Any, value: Any) -> bool:
    from pydantic import ValidationError

    try:
        checker.validate_python(value)
    except ValidationError:
        return False
    return True
