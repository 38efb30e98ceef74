"""Step operators by flavor, and the place one runs an attempt in."""

from __future__ import annotations

from stepwell.errors import ConfigError
from stepwell.execution import archives
from stepwell.execution.operators.interface import OperatorHost
from stepwell.execution.operators.subprocess_operator import SubprocessOperator
from stepwell.pipelines.models import Snapshot
from stepwell.stacks.opening import Opened

_FLAVORS = {"subprocess": SubprocessOperator}


def make(opened: Opened) -> SubprocessOperator:
    """Return the operator of a component.

    Raises:
        ConfigError: Its flavor is unknown here, or its settings cannot work on this machine.
    """
    flavor = _FLAVORS.get(opened.flavor)
    if flavor is None:
        raise ConfigError(f"The step operator {opened.name} has the flavor {opened.flavor}, which is not known here.")
    operator = flavor(name=opened.name, config=opened.config)
    operator.check()
    return operator


def host_for(operator: SubprocessOperator, snapshot: Snapshot) -> OperatorHost:
    """Return the place the operator runs attempts of this code in; close it afterwards.

    Raises:
        ConfigError: The code was not kept, so only the process that defined it can run it.
        ArtifactError: The kept code is gone or damaged.
    """
    if not snapshot.code_hash:
        raise ConfigError(
            "A step operator needs the pipeline's code in a file, and this one was typed into a shell or notebook.",
            hint="Save it as a script, or set step_operator=False.",
        )
    return OperatorHost(operator, code_root=archives.unpacked(snapshot.code_hash), entry_file=snapshot.entry_file)
