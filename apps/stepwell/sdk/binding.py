"""From the arguments of a step's call to the bindings of its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepwell.core.values import encode, is_reference
from stepwell.errors import ConfigError, GraphError, StepInterfaceError, UsageError
from stepwell.sdk import references
from stepwell.sdk.configfile import is_same
from stepwell.sdk.placeholders import LinkedArtifact, NoOutputs, StepOutput, StepOutputs, holds_placeholder
from stepwell.sdk.signature import Signature

if TYPE_CHECKING:
    from stepwell.core.plan import Binding


def bind_inputs(
    signature: Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    parameters: Mapping[str, Any],
    fixed: Mapping[str, Any],
    trace: object,
) -> dict[str, Binding]:
    """Return the binding of every input: from the call, else ``parameters``, else the signature's default.

    ``fixed`` are those of ``parameters`` that one run sets; the call must not give them too.

    Raises:
        StepInterfaceError: An argument is unknown, missing, does not fit or cannot be stored.
        GraphError: An output of another pipeline.
        ConfigError: The run and the call give a parameter different values.
    """
    owner = signature.owner
    called = signature.bind(args, kwargs)
    for name in sorted(called.keys() & fixed.keys()):
        if _agree(signature, name, called[name], fixed[name]):
            continue
        raise ConfigError(
            f"{owner}: {name} is set for this run to {fixed[name]!r}, but the pipeline's body passes {called[name]!r}.",
            hint="Set the pipeline's parameter instead, or leave the argument out of the call.",
        )
    for name in parameters:
        if name not in signature.inputs:
            raise StepInterfaceError(f"{owner} has no input {name} to set by parameters.")
    given = {**parameters, **called}
    signature.check_complete(given)
    bound = {}
    for name, item in signature.inputs.items():
        if name in given:
            bound[name] = bind_one(given[name], name, signature=signature, trace=trace)
        elif (default := _try_encode(item.default)) is not None:
            bound[name] = _value(default[0])
    return bound


def _agree(signature: Signature, name: str, one: Any, other: Any) -> bool:
    if holds_placeholder(one):
        return False
    try:
        return is_same(signature.coerce_input(name, one), signature.coerce_input(name, other))
    except StepInterfaceError:
        return False


def after_ids(after: Any, *, owner: str, trace: object) -> list[str]:
    """Return the invocation ids that ``after=`` names.

    Raises:
        StepInterfaceError: It holds something that is no step.
        GraphError: An output of another pipeline.
    """
    if after is None:
        return []
    if isinstance(after, str):
        return [after]
    if isinstance(after, StepOutput | NoOutputs):
        _check_trace(after, trace, owner=owner)
        return [after.step_id]
    if isinstance(after, StepOutputs):
        return after_ids(after[0], owner=owner, trace=trace)
    if isinstance(after, list | tuple | set | frozenset):
        return [name for item in after for name in after_ids(item, owner=owner, trace=trace)]
    raise StepInterfaceError(
        f"{owner}: after holds {after!r}.",
        hint="Give what a step's call returned, an invocation id, or a list of them.",
    )


def bind_one(value: Any, name: str, *, signature: Signature, trace: object) -> Binding:
    """Return the binding of one argument.

    Raises:
        StepInterfaceError: It does not fit or cannot be stored.
        GraphError: An output of another pipeline.
    """
    value = references.understand(value, signature.inputs[name].annotation)
    if holds_placeholder(value) or references.holds_reference(value):
        return _bind_nested(value, f"{signature.owner}: {name}", trace=trace)
    coerced = signature.coerce_input(name, value)
    encoded = _try_encode(coerced) or _try_encode(value)
    if encoded is None:
        raise _cannot_store(f"{signature.owner}: {name}", value)
    return _value(encoded[0])


def bind_value(value: Any, what: str, *, trace: object) -> Binding:
    """Return the binding of a value that belongs to no input; ``what`` names it.

    Raises:
        StepInterfaceError: It cannot be stored.
    """
    if isinstance(value, NoOutputs):
        return _value(None)
    if isinstance(value, tuple):
        from stepwell.core.plan import Binding

        items = [bind_value(item, what, trace=trace) for item in tuple.__iter__(value)]
        return Binding(kind="tuple", items=items)
    return _bind_nested(value, what, trace=trace)


def _bind_nested(value: Any, what: str, *, trace: object) -> Binding:
    from stepwell.core.plan import Binding

    if is_reference(value):
        return Binding(kind="artifact", artifact=_stored_id(value, trace))
    if isinstance(value, StepOutput):
        _check_trace(value, trace, owner=what)
        return Binding(kind="output", step=value.step_id, name=value.name)
    if isinstance(value, LinkedArtifact):
        place = {"name": value.model, "version": value.version, "artifact_version": value.artifact_version}
        return Binding(kind="linked", name=value.name, model=place)
    if isinstance(value, NoOutputs):
        raise StepInterfaceError(
            f"{what} is given the result of step {value.step_id}, which has no outputs.",
            hint="Use after= to run one step after another.",
        )
    if isinstance(value, StepOutputs):
        names = ", ".join(output.name for output in tuple.__iter__(value))
        raise StepInterfaceError(
            f"{what} is given all outputs of step {value.step_id} at once ({names}).", hint="Unpack them and pass one."
        )
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return Binding(kind=kind, items=[_bind_nested(item, what, trace=trace) for item in value])
    if isinstance(value, dict):
        return Binding(kind="dict", entries=_bind_entries(value, what, trace=trace))
    encoded = _try_encode(value)
    if encoded is None:
        raise _cannot_store(what, value)
    return _value(encoded[0])


def _stored_id(value: Any, trace: object) -> str:
    if hasattr(value, "upload"):
        value.upload(name=f"{getattr(trace, 'pipeline_name', '')}::external")
    return str(value.version_id)


def _bind_entries(value: dict[Any, Any], what: str, *, trace: object) -> dict[str, Binding]:
    for key in value:
        if not isinstance(key, str):
            raise StepInterfaceError(f"{what} is a dict of outputs with the key {key!r}.", hint="Use text as keys.")
    return {key: _bind_nested(item, what, trace=trace) for key, item in value.items()}


def _check_trace(output: StepOutput | NoOutputs, trace: object, *, owner: str) -> None:
    if output.trace is not trace:
        raise GraphError(
            f"{owner} uses the result of step {output.step_id}, which another pipeline called.",
            hint="Call the step in this pipeline's body.",
        )


def _value(encoded: Any) -> Binding:
    from stepwell.core.plan import Binding

    return Binding(kind="value", value=encoded)


def _try_encode(value: Any) -> tuple[Any] | None:
    try:
        return (encode(value),)
    except UsageError:
        return None


def _cannot_store(what: str, value: Any) -> StepInterfaceError:
    try:
        encode(value)
    except UsageError as exc:
        reason = exc.message
    return StepInterfaceError(f"{what}: {reason}", hint="Make it in a step and pass that step's output.")
