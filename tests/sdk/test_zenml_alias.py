"""``import zenml`` where the real package is not installed. Each test has a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import stepwell
from stepwell.sdk.zenmlnames import MODULES

ROOT = str(Path(stepwell.__file__).parents[1])
INSTALL = "from stepwell.sdk import zenmlalias; zenmlalias.install()\n"


def run(folder: Path, code: str, *, install: bool = True) -> str:
    """Run a file of the user's and return what it printed, errors included."""
    script = folder / "script.py"
    script.write_text((INSTALL if install else "") + code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        env={"PYTHONPATH": ROOT},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout.strip()


def test_the_names_of_the_reference_are_the_same_objects(tmp_path: Path) -> None:
    code = """
import stepwell, zenml, zenml.steps
from zenml import pipeline, step
from zenml.steps import BaseStep
from zenml.config.retry_config import StepRetryConfig
from zenml.config import DockerSettings, ResourceSettings
from zenml.types import HTMLString
from zenml.enums import ArtifactType, ExecutionStatus, ModelStages
from zenml.logger import get_logger
from zenml.io import fileio
from zenml.integrations.constants import MLFLOW
from zenml.materializers.base_materializer import BaseMaterializer
same = [step is stepwell.step, pipeline is stepwell.pipeline, BaseStep is stepwell.BaseStep,
        StepRetryConfig is stepwell.StepRetryConfig, HTMLString is stepwell.HTMLString,
        BaseMaterializer is stepwell.BaseMaterializer, zenml.step is step]
print(all(same), MLFLOW, fileio.exists("/"), zenml.config.schedule.__name__)
"""

    assert run(tmp_path, code) == "True mlflow True zenml.config.schedule"


def test_every_name_of_the_table_is_there_or_said_to_be_missing(tmp_path: Path) -> None:
    code = """
import importlib, stepwell
from stepwell.sdk.zenmlnames import MODULES
import zenml
for module, names in MODULES.items():
    found = importlib.import_module(module)
    for name, target in names.items():
        if target.startswith("stepwell:") and target[9:] not in stepwell.__all__:
            assert not hasattr(found, name), name
        else:
            assert getattr(found, name) is not None, name
print("all", len(MODULES))
"""

    assert run(tmp_path, code) == f"all {len(MODULES)}"


#: our public names at every path that ZenML 0.98 has them at, and its users import them from
PATHS = {
    "zenml": """ArtifactConfig ExternalArtifact Model Tag add_tags get_pipeline_context get_step_context load_artifact
        log_metadata pipeline register_artifact remove_tags save_artifact step unmapped wait""",
    "zenml.artifacts.artifact_config": "ArtifactConfig",
    "zenml.artifacts.external_artifact": "ExternalArtifact",
    "zenml.artifacts.utils": "load_artifact register_artifact save_artifact",
    "zenml.client": "Client",
    "zenml.config": "CachePolicy DockerSettings ResourceSettings Schedule StepRetryConfig",
    "zenml.config.cache_policy": "CachePolicy",
    "zenml.config.docker_settings": "DockerSettings",
    "zenml.config.resource_settings": "ResourceSettings",
    "zenml.config.retry_config": "StepRetryConfig",
    "zenml.config.schedule": "Schedule",
    "zenml.config.step_configurations": "GroupInfo",
    "zenml.enums": "ExecutionMode ExecutionStatus StepRuntime",
    "zenml.execution.pipeline.dynamic.outputs": "MapResultsFuture PipelineFuture StepFuture",
    "zenml.execution.pipeline.dynamic.utils": "unmapped wait",
    "zenml.logger": "get_logger",
    "zenml.materializers.base_materializer": "BaseMaterializer",
    "zenml.model.model": "Model",
    "zenml.pipelines": "Schedule get_pipeline_context pipeline",
    "zenml.pipelines.pipeline_context": "get_pipeline_context",
    "zenml.pipelines.pipeline_decorator": "pipeline",
    "zenml.pipelines.pipeline_definition": "Pipeline",
    "zenml.steps": "BaseStep ResourceSettings StepContext get_step_context step",
    "zenml.steps.base_step": "BaseStep",
    "zenml.steps.step_context": "StepContext get_step_context",
    "zenml.steps.step_decorator": "step",
    "zenml.types": "CSVString HTMLString JSONString MarkdownString",
    "zenml.utils.metadata_utils": "log_metadata",
    "zenml.utils.tag_utils": "Tag add_tags remove_tags",
}


def test_every_public_name_is_at_the_paths_people_import_it_from(tmp_path: Path) -> None:
    lines = [
        f"from {path} import {name}\nassert {name} is stepwell.{name}\n"
        for path in PATHS
        for name in PATHS[path].split()
    ]
    others = """
from zenml.enums import ArtifactType, ModelStages, VisualizationType
from zenml.exceptions import DoesNotExistException, EntityExistsError, StepInterfaceError, ZenMLBaseException
from zenml.metadata.metadata_types import DType, MetadataType, StorageSize, Uri
from zenml.models import ArtifactVersionResponse, ModelVersionResponse, PipelineRunResponse, StepRunResponse
from zenml.pipelines import PipelineContext
print(issubclass(DoesNotExistException, KeyError), issubclass(StepInterfaceError, ZenMLBaseException))
print(Uri("a"), StorageSize(3))
"""
    ours = {name for names in PATHS.values() for name in names.split()}

    assert run(tmp_path, "import stepwell\n" + "".join(lines) + others).split() == ["True", "True", "a", "3"]
    # Those that are left have no counterpart, or another name.
    assert set(stepwell.__all__) - ours == {"RunStatus", "errors", "log_progress"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "from zenml import stepp",
            "ImportError: Stepwell stands in for ZenML here and has no zenml.stepp. Did you mean step?",
        ),
        ("from zenml import StepRetryConfig", "has no zenml.StepRetryConfig. There is zenml.config.StepRetryConfig."),
        ("from zenml.steps import Output", "has no zenml.steps.Output. zenml.steps has: BaseStep"),
        ("import zenml.nothing", "ModuleNotFoundError: Stepwell stands in for ZenML here and has no zenml.nothing."),
        ("from zenml.integrations.mlflow.flavors import X", "has no zenml.integrations.mlflow."),
        (
            "import zenml; zenml.setp",
            "AttributeError: Stepwell stands in for ZenML here and has no zenml.setp. Did you mean step?",
        ),
    ],
)
def test_a_missing_name_says_what_there_is(tmp_path: Path, line: str, said: str) -> None:
    assert said in run(tmp_path, line)


def test_asking_whether_a_name_is_there_is_answered(tmp_path: Path) -> None:
    code = "import zenml\nprint(hasattr(zenml, 'nothing'), hasattr(zenml, 'step'), 'step' in dir(zenml))"

    assert run(tmp_path, code) == "False True True"


def test_without_install_there_is_no_zenml(tmp_path: Path) -> None:
    assert "ModuleNotFoundError: No module named 'zenml'" in run(tmp_path, "import stepwell, zenml", install=False)


def test_a_real_package_goes_first(tmp_path: Path) -> None:
    (tmp_path / "zenml").mkdir()
    (tmp_path / "zenml" / "__init__.py").write_text("real = True\n")

    assert run(tmp_path, "import zenml\nprint(zenml.real, zenmlalias.is_in_use())") == "True False"


def test_an_installed_package_that_looks_for_zenml_does_not_find_it(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "other.py").write_text("try:\n    import zenml\nexcept ImportError:\n    zenml = None\n")

    assert run(tmp_path, "import sys; sys.path.append('site-packages')\nimport other\nprint(other.zenml)") == "None"


def test_installing_twice_adds_one_finder(tmp_path: Path) -> None:
    code = "import sys\nzenmlalias.install()\nprint(sum('zenmlalias' in type(one).__module__ for one in sys.meta_path))"

    assert run(tmp_path, code) == "1"


def test_a_logger_prints_info_and_leaves_it_to_logging_that_is_set_up(tmp_path: Path) -> None:
    code = """
import logging
from zenml.logger import get_logger
logger = get_logger(__name__)
logger.info("one %d", 1)
logger.debug("hidden")
logging.basicConfig(format="set up: %(message)s", level="INFO")
get_logger(__name__).info("two")
"""

    assert run(tmp_path, code).splitlines() == ["INFO __main__: one 1", "set up: two"]


def test_files_are_read_and_written(tmp_path: Path) -> None:
    code = """
from zenml.io import fileio
fileio.makedirs("a/b")
with fileio.open("a/b/x.txt", "w") as file:
    file.write("hé")
fileio.copy("a/b/x.txt", "a/y.txt")
try:
    fileio.copy("a/b/x.txt", "a/y.txt")
except FileExistsError as exc:
    print(exc)
fileio.rename("a/y.txt", "a/z.txt")
print(fileio.listdir("a"), fileio.size("a"), fileio.isdir("a"), fileio.glob("a/*.txt"), fileio.stat("a/z.txt").st_size)
fileio.remove("a/z.txt")
fileio.rmtree("a")
print(fileio.exists("a"))
"""

    assert run(tmp_path, code).splitlines() == [
        "a/y.txt exists already; pass overwrite=True to replace it.",
        "['b', 'z.txt'] 6 True ['a/z.txt'] 3",
        "False",
    ]
