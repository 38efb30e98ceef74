"""What is run of each file: pipelines and parameters, in this order. ``PLACE`` becomes the name of the place."""

from __future__ import annotations

from tests.conformance.places import Case

_SALT = {"salt": "PLACE"}
CASES: dict[str, list[Case]] = {
    "failures": [("failures", {}), ("duplicate_version", {}), ("first_exception", {})],
    "values": [("values", {}), ("materializers", {})],
    "options": [("options", {})],
    "hooks": [("hooks", {}), ("hooked_pipeline", {}), ("hooks_of_cached", _SALT), ("hooks_of_cached", _SALT)],
    "calls": [("calls", {"start": 4}), ("many", {})],
    "modes": [("goes_on", {}), ("stops", {}), ("fails_fast", {}), ("parallel", {})],
    "dynamic": [
        ("fan_out", {}),
        ("futures", {"gate": "PLACE.gate"}),
        ("failing", {}),
        ("unawaited", {}),
        ("tolerant", {}),
        ("raising", {}),
        ("failing_fast", {}),
        ("parents", {}),
        ("limits", {}),
        ("inlines", {}),
        ("mistakes", {}),
        ("hooked", {}),
        ("cached", _SALT),
        ("cached", _SALT),
    ],
    "caching": [
        ("caching", _SALT),
        ("caching", _SALT),
        ("caching", {**_SALT, "rate": 0.2}),
        ("caching", {**_SALT, "value": 2}),
        ("options_do_not_count", _SALT),
        ("options_do_not_count", {**_SALT, "retries": 3, "word": "b"}),
        ("environment_counts", _SALT),
        ("environment_counts", {**_SALT, "word": "b"}),
        ("off_by_pipeline", _SALT),
        ("off_by_pipeline", _SALT),
        ("policy_by_pipeline", _SALT),
        ("policy_by_pipeline", _SALT),
        ("shared_with_the_other_place", {}),
        ("shared_with_the_other_place", {}),
    ],
}
