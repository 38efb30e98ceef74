"""The parts of a step's cache key that are known before its inputs exist."""

from __future__ import annotations

import hashlib
import pickle
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepwell.core.cachekey import hash_part, hash_text
from stepwell.errors import ConfigError, UsageError
from stepwell.sdk import reach, sourcecode, typenames
from stepwell.sdk.cachepolicy import CachePolicy
from stepwell.sdk.hooks import describe

if TYPE_CHECKING:
    from stepwell.core.plan import Binding
    from stepwell.sdk.tracing import Invocation


def cache_parts(invocation: Invocation, *, source_root: str, memo: dict[Any, dict[str, str]]) -> dict[str, str]:
    """Return part name -> hex sha256. ``memo`` keeps what one step's code reaches while one plan is made.

    Raises:
        ConfigError: The cache policy names something that does not exist.
    """
    policy = read_policy(invocation.options.get("cache_policy") or {})
    owner = f"Step {invocation.id}"
    ignored = _check_ignored(policy, invocation, owner)
    parts: dict[str, str] = {}
    if policy.include_step_code:
        parts |= _code_parts(invocation, source_root if policy.include_dependencies else None, memo)
    if policy.include_step_parameters:
        parts |= {name: part for name, part in parameter_parts(invocation.inputs) if name not in ignored}
    parts["outputs"] = hash_part(_outputs(invocation))
    parts["environment"] = hash_part(invocation.options.get("environment", {}))
    parts["secrets"] = hash_part(sorted(invocation.options.get("secrets", [])))
    parts |= dict(_policy_parts(policy, owner=owner, source_root=source_root))
    return parts


def read_policy(fields: Mapping[str, Any]) -> CachePolicy:
    """Return the policy an option's value stands for; a named one covers what the default covers."""
    return CachePolicy(**{name: value for name, value in fields.items() if name != "name"})


def _check_ignored(policy: CachePolicy, invocation: Invocation, owner: str) -> set[str]:
    known = invocation.step.signature.inputs
    for name in policy.ignored_inputs:
        if name not in known:
            raise ConfigError(
                f"{owner}: the cache policy ignores the input {name}, which the step does not have.",
                hint=f"Its inputs are: {', '.join(known) or 'none'}.",
            )
    return {f"parameter {name}" for name in policy.ignored_inputs}


def _code_parts(invocation: Invocation, helpers_below: str | None, memo: dict[Any, dict[str, str]]) -> dict[str, str]:
    code = invocation.step.code
    parts = {"code": hash_text(sourcecode.hashable_text(code))}
    for name, value in sorted(invocation.step.state.items()):
        parts[f"attribute {name}"] = _state_hash(value)
    if helpers_below is not None:
        if code not in memo:
            memo[code] = {**reach.imported_files(code, helpers_below), **reach.reached_parts(code)}
        parts |= memo[code]
    return parts


def _state_hash(value: Any) -> str:
    try:
        return hash_part(value)
    except UsageError:
        pass
    try:
        return hashlib.sha256(pickle.dumps(value)).hexdigest()
    except Exception:  # whatever the user's object does when it is pickled
        # What cannot be compared must not count as equal.
        return uuid.uuid4().hex


def parameter_parts(inputs: Mapping[str, Binding]) -> Iterator[tuple[str, str]]:
    """Yield part name -> hash of the inputs whose value is known before anything runs."""
    for name, binding in inputs.items():
        if binding.kind not in {"output", "artifact"}:
            yield f"parameter {name}", hash_part(_shape(binding))


def _shape(binding: Binding) -> Any:
    """Return the constant part of an input; what comes from other steps is covered by its content."""
    if binding.kind == "value":
        return [binding.kind, binding.value]
    if binding.kind == "item":
        return [binding.kind, binding.index]
    if binding.kind == "dict":
        return [binding.kind, {key: _shape(entry) for key, entry in binding.entries.items()}]
    return [binding.kind, [_shape(item) for item in binding.items]]


def _outputs(invocation: Invocation) -> list[Any]:
    wanted = invocation.options.get("output_materializers") or {}
    return [
        [output.name, [_materializer(one) for one in wanted.get(output.name, [])]]
        for output in invocation.step.signature.outputs
    ]


def _materializer(wanted: Any) -> list[str]:
    if isinstance(wanted, str):
        return [wanted]
    return [typenames.printable(wanted), hash_text(sourcecode.hashable_text(wanted))]


def _policy_parts(policy: CachePolicy, *, owner: str, source_root: str) -> Iterator[tuple[str, str]]:
    for name in policy.file_dependencies:
        yield f"file {name}", _file_hash(str(name), owner=owner, source_root=source_root)
    for source in policy.source_dependencies:
        found = _load(source, owner=owner) if isinstance(source, str) else source
        yield f"source {describe(source)}", hash_text(sourcecode.hashable_text(found))
    if (function := policy.cache_func) is not None:
        found = _load(function, owner=owner) if isinstance(function, str) else function
        try:
            yield "cache_func", hash_part(found())
        except UsageError as exc:
            raise ConfigError(
                f"{owner}: the cache_func's result has no fixed form: {exc.message}",
                hint="Return text, numbers, or lists and dicts of them.",
            ) from exc


def _file_hash(name: str, *, owner: str, source_root: str) -> str:
    root = Path(source_root or ".").resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise ConfigError(
            f"{owner}: the cache policy names the file {name}, which is outside of {root}.",
            hint="Move it beside the script, or give its content as a parameter.",
        )
    if not path.is_file():
        raise ConfigError(
            f"{owner}: the cache policy names the file {name}, which does not exist in {root}.",
            hint="Write its path from the script's folder.",
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _load(dotted: str, *, owner: str) -> Any:
    try:
        return typenames.find_dotted(dotted)
    except LookupError as exc:
        raise ConfigError(
            f"{owner}: the cache policy names {dotted}, which cannot be found.", hint="Check the module and the name."
        ) from exc
