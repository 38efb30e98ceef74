"""The stages a model version goes through."""

from __future__ import annotations

from enum import StrEnum


class ModelStages(StrEnum):
    """Where a model version stands. ``latest`` asks for the newest version and cannot be given to one."""

    NONE = "none"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"
    LATEST = "latest"


#: what a version can be moved to
SETTABLE_STAGES = (ModelStages.NONE, ModelStages.STAGING, ModelStages.PRODUCTION, ModelStages.ARCHIVED)
#: stages one version of a model holds at a time
SINGLE_STAGES = (ModelStages.STAGING, ModelStages.PRODUCTION)
