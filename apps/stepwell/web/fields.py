"""The base of the pages' forms: our labels, and a refused action shown beside the field it is about."""

from __future__ import annotations

from typing import Any

from django import forms

from stepwell.errors import StepwellError


class PageForm(forms.Form):
    """A form whose refusals come from an action in a domain app."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def add_refusal(self, error: StepwellError) -> None:
        """Show what an action refused: beside its fields when it names them, else above the form."""
        fields = error.details.get("fields") or {}
        for name, why in fields.items():
            self.add_error(name if name in self.fields else None, why)
        if not fields:
            self.add_error(None, f"{error.message} {error.hint}".strip())


class ZoneInput(forms.TextInput):
    """A text field that offers the names of time zones; the page holds the list ``zones``."""

    def __init__(self) -> None:
        super().__init__(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"})
