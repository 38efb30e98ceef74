"""Materializers people write, and those that are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stepwell.errors import ArtifactError
from stepwell.sdk.materializers import storing
from stepwell.sdk.materializers.base import BaseMaterializer, VisualizationType


def save_and_load(value: Any, folder: Path) -> tuple[Any, storing.Saved]:
    saved = storing.save(value, folder)
    return storing.load(folder, materializer=saved.materializer, type_name=saved.type), saved


class Temperature:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


class TemperatureMaterializer(BaseMaterializer):
    ASSOCIATED_TYPES = (Temperature,)

    def save(self, data: Temperature) -> None:
        with self.artifact_store.open(f"{self.uri}/degrees.txt", "w") as file:
            file.write(str(data.degrees))

    def load(self, data_type: type[Any]) -> Temperature:
        with self.artifact_store.open(f"{self.uri}/degrees.txt") as file:
            return data_type(float(file.read()))  # type: ignore[no-any-return]

    def save_visualizations(self, data: Temperature) -> dict[str, VisualizationType]:
        path = f"{self.uri}/page.html"
        self.file("page.html").write_text("<p>warm</p>")
        return {path: VisualizationType.HTML}

    def extract_metadata(self, data: Temperature) -> dict[str, Any]:
        return {"degrees": data.degrees}


class WarmTemperature(Temperature):
    pass


def test_defining_a_materializer_registers_it_for_its_types_and_their_subclasses(tmp_path: Path) -> None:
    loaded, saved = save_and_load(WarmTemperature(30.5), tmp_path)

    assert type(loaded) is WarmTemperature
    assert loaded.degrees == 30.5
    assert saved.materializer == f"{__name__}.TemperatureMaterializer"
    assert saved.metadata == {"degrees": 30.5}
    assert saved.visualizations == [{"kind": "html", "file": "page.html", "size": 11}]


def test_a_materializer_can_be_asked_for_by_name(tmp_path: Path) -> None:
    class Shouting(BaseMaterializer):
        SKIP_REGISTRATION = True

    asked = storing.iter_materializers([f"{__name__}.TemperatureMaterializer", Shouting])

    assert asked == (TemperatureMaterializer, Shouting)
    with pytest.raises(ArtifactError, match="not part of this code"):
        storing.iter_materializers(["nowhere.Thing"])
    with pytest.raises(ArtifactError, match="no materializer"):
        storing.iter_materializers(["pathlib.Path"])


def test_facts_and_pictures_can_be_left_out(tmp_path: Path) -> None:
    saved = storing.save(
        WarmTemperature(1), tmp_path, wishes=storing.Wishes(with_metadata=False, with_visualizations=False)
    )

    assert saved.metadata == {}
    assert saved.visualizations == []
    assert not (tmp_path / "page.html").exists()


def test_a_picture_that_fails_leaves_the_value_stored_and_warns(tmp_path: Path) -> None:
    class Broken(TemperatureMaterializer):
        SKIP_REGISTRATION = True

        def save_visualizations(self, data: Temperature) -> dict[str, VisualizationType]:
            raise ZeroDivisionError("no colour")

        def extract_metadata(self, data: Temperature) -> dict[str, Any]:
            return {"bad": object()}

    saved = storing.save(Temperature(1), tmp_path, wishes=storing.Wishes(materializers=(Broken,)))

    assert (tmp_path / "degrees.txt").read_text() == "1"
    assert "no colour" in saved.warning
    assert "has no JSON form" in saved.warning


def test_a_picture_outside_of_the_value_is_not_shown(tmp_path: Path) -> None:
    class Escaping(TemperatureMaterializer):
        SKIP_REGISTRATION = True

        def save_visualizations(self, data: Temperature) -> dict[str, VisualizationType]:
            return {"/etc/passwd": VisualizationType.HTML, "../x": VisualizationType.HTML}

    saved = storing.save(Temperature(1), tmp_path, wishes=storing.Wishes(materializers=(Escaping,)))

    assert saved.visualizations == []
    assert "outside the value's folder" in saved.warning


def test_loading_refuses_a_class_that_is_no_materializer(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no materializer"):
        storing.load(tmp_path, materializer="subprocess.Popen", type_name="str")
    with pytest.raises(ArtifactError, match="not part of this code"):
        storing.load(tmp_path, materializer="gone.Away", type_name="str")
