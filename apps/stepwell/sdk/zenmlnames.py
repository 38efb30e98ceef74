"""Which names of ZenML's there are, by the paths people import them from, and what stands for each here."""

from __future__ import annotations

_TOP = "stepwell"


def _public(*names: str) -> dict[str, str]:
    return {name: f"{_TOP}:{name}" for name in names}


def _of(module: str, *names: str) -> dict[str, str]:
    return {name: f"stepwell.{module}:{name}" for name in names}


_STEP = _public("step", "BaseStep")
_PIPELINE = _public("pipeline", "Pipeline")
_RETRY = _public("StepRetryConfig")
_RESOURCES = _public("ResourceSettings")
_DOCKER = _public("DockerSettings")
_SCHEDULE = _public("Schedule")
_CACHE = _public("CachePolicy")
_MODEL = _public("Model")
_TAG = _public("Tag")
_EXTERNAL = _public("ExternalArtifact")
_ARTIFACT_CONFIG = _public("ArtifactConfig")
_CONTEXT = {**_public("get_step_context", "StepContext")}
_METADATA = {
    **_public("log_metadata"),
    "log_artifact_metadata": "stepwell.sdk.zenmlcalls:log_artifact_metadata",
    "log_model_metadata": "stepwell.sdk.zenmlcalls:log_model_metadata",
    "log_step_metadata": "stepwell.sdk.zenmlcalls:log_step_metadata",
}
_ARTIFACTS = _public("save_artifact", "load_artifact", "register_artifact")
_TEXTS = _public("HTMLString", "MarkdownString", "CSVString", "JSONString")
_MATERIALIZER = _public("BaseMaterializer")
_MATERIALIZERS = {
    "BuiltInContainerMaterializer": "stepwell.sdk.materializers.plain:PlainMaterializer",
    "BuiltInMaterializer": "stepwell.sdk.materializers.plain:PlainMaterializer",
    "BytesMaterializer": "stepwell.sdk.materializers.plain:BytesMaterializer",
    "CloudpickleMaterializer": "stepwell.sdk.materializers.pickled:PickleMaterializer",
    "PydanticMaterializer": "stepwell.sdk.materializers.plain:PlainMaterializer",
}
_PIPELINE_CONTEXT = {
    **_public("get_pipeline_context"),
    "PipelineContext": "stepwell.sdk.pipelinecontext:PipelineContext",
}
_RESPONSES = {
    "ArtifactVersionResponse": "stepwell.sdk.artifactversion:ArtifactVersion",
    "ModelResponse": "stepwell.sdk.modelversions:ModelInfo",
    "ModelVersionResponse": "stepwell.sdk.modelversions:ModelVersion",
    "PipelineResponse": "stepwell.sdk.responses:PipelineInfo",
    "PipelineRunResponse": "stepwell.sdk.responses:PipelineRun",
    "StepRunResponse": "stepwell.sdk.responses:StepRun",
}
_ENUMS = _of(
    "enums", "ArtifactType", "ExecutionMode", "ExecutionStatus", "ModelStages", "StepRuntime", "VisualizationType"
)
_FILES = (
    "copy",
    "exists",
    "glob",
    "isdir",
    "listdir",
    "makedirs",
    "mkdir",
    "open",
    "remove",
    "rename",
    "rmtree",
    "size",
    "stat",
    "walk",
)
#: integrations that people name in DockerSettings
_INTEGRATIONS = (
    *("AWS", "AZURE", "BENTOML", "COMET", "DATABRICKS", "DEEPCHECKS", "EVIDENTLY", "FEAST", "GCP", "GITHUB", "GITLAB"),
    *("GREAT_EXPECTATIONS", "HUGGINGFACE", "KUBEFLOW", "KUBERNETES", "LABEL_STUDIO", "LANGCHAIN", "LIGHTGBM", "MLFLOW"),
    *("MODAL", "NEPTUNE", "NUMPY", "OPENAI", "PANDAS", "PILLOW", "POLARS", "PYTORCH", "PYTORCH_LIGHTNING", "S3"),
    *("SAGEMAKER", "SCIPY", "SELDON", "SKLEARN", "SKYPILOT_AWS", "SKYPILOT_AZURE", "SKYPILOT_GCP", "SLACK", "SPARK"),
    *("TENSORBOARD", "TENSORFLOW", "VERTEX", "VLLM", "WANDB", "WHYLOGS", "XGBOOST"),
)
_ERRORS = {
    "StepInterfaceError": "stepwell.errors:StepInterfaceError",
    "StepExecutionException": "stepwell.errors:StepExecutionException",
    "EntityExistsError": "stepwell.errors:Conflict",
    "DoesNotExistException": "stepwell.errors:NotFound",
    "ArtifactInterfaceError": "stepwell.errors:ArtifactError",
    "MaterializerInterfaceError": "stepwell.errors:ArtifactError",
    "PipelineInterfaceError": "stepwell.errors:UsageError",
    "PipelineConfigurationError": "stepwell.errors:ConfigError",
    "AuthorizationException": "stepwell.errors:Denied",
    "HookValidationException": "stepwell.errors:ConfigError",
    "IllegalOperationError": "stepwell.errors:Conflict",
    "InputResolutionError": "stepwell.errors:StepInterfaceError",
    "SettingsResolvingError": "stepwell.errors:ConfigError",
    "StepContextError": "builtins:RuntimeError",
    "ZenKeyError": "stepwell.errors:NotFound",
    "ValidationError": "stepwell.errors:UsageError",
    "ZenMLBaseException": "stepwell.errors:StepwellError",
}

#: module -> name -> ``module:attribute``, or ``=text`` for a constant
MODULES: dict[str, dict[str, str]] = {
    "zenml": {
        **_STEP,
        **_PIPELINE,
        **_RESOURCES,
        **_CONTEXT,
        **_METADATA,
        **_ARTIFACTS,
        **_ARTIFACT_CONFIG,
        **_EXTERNAL,
        **_MODEL,
        **_TAG,
        **_SCHEDULE,
        **_public(
            "CachePolicy",
            "ExecutionMode",
            "ExecutionStatus",
            "GroupInfo",
            "StepRuntime",
            "Client",
            "add_tags",
            "get_pipeline_context",
            "remove_tags",
            "unmapped",
            "wait",
            "get_logger",
        ),
        "__version__": "=stepwell",
    },
    "zenml.steps": {**_STEP, **_CONTEXT, **_RESOURCES},
    "zenml.steps.base_step": _STEP,
    "zenml.steps.step_decorator": _STEP,
    "zenml.steps.step_context": _CONTEXT,
    "zenml.pipelines": {**_PIPELINE, **_SCHEDULE, **_PIPELINE_CONTEXT, **_of("sdk.docker", "DockerSettings")},
    "zenml.pipelines.pipeline_definition": _public("Pipeline"),
    "zenml.pipelines.pipeline_decorator": _public("pipeline"),
    "zenml.pipelines.pipeline_context": _PIPELINE_CONTEXT,
    "zenml.pipelines.new": _PIPELINE,
    "zenml.new": {},
    "zenml.new.pipelines": {},
    "zenml.new.pipelines.pipeline": _public("Pipeline"),
    "zenml.new.steps": {},
    "zenml.new.steps.step_context": _CONTEXT,
    "zenml.execution": {},
    "zenml.execution.pipeline": {},
    "zenml.execution.pipeline.dynamic": {},
    "zenml.execution.pipeline.dynamic.outputs": _public("MapResultsFuture", "PipelineFuture", "StepFuture"),
    "zenml.execution.pipeline.dynamic.utils": _public("unmapped", "wait"),
    "zenml.config": {**_RETRY, **_RESOURCES, **_DOCKER, **_SCHEDULE, **_CACHE},
    "zenml.config.retry_config": _RETRY,
    "zenml.config.schedule": _SCHEDULE,
    "zenml.config.resource_settings": _RESOURCES,
    "zenml.config.docker_settings": _DOCKER,
    "zenml.config.cache_policy": _CACHE,
    "zenml.config.step_configurations": _public("GroupInfo"),
    "zenml.client": _public("Client"),
    "zenml.enums": _ENUMS,
    "zenml.types": _TEXTS,
    "zenml.materializers": {
        **_MATERIALIZER,
        **_MATERIALIZERS,
    },
    "zenml.materializers.base_materializer": _MATERIALIZER,
    "zenml.materializers.built_in_materializer": _MATERIALIZERS,
    "zenml.materializers.cloudpickle_materializer": _MATERIALIZERS,
    "zenml.materializers.pydantic_materializer": _MATERIALIZERS,
    "zenml.model": {},
    "zenml.model.model": _MODEL,
    "zenml.model.model_version": _MODEL,
    "zenml.model.utils": {"log_model_metadata": _METADATA["log_model_metadata"]},
    "zenml.models": _RESPONSES,
    "zenml.artifacts": {**_ARTIFACT_CONFIG, **_EXTERNAL},
    "zenml.artifacts.artifact_config": _ARTIFACT_CONFIG,
    "zenml.artifacts.external_artifact": _EXTERNAL,
    "zenml.artifacts.utils": {
        **_ARTIFACTS,
        "log_artifact_metadata": _METADATA["log_artifact_metadata"],
    },
    "zenml.metadata": {},
    "zenml.metadata.metadata_types": {
        "MetadataType": "typing:Any",
        **dict.fromkeys(("DType", "Path", "Uri"), "builtins:str"),
        "StorageSize": "builtins:int",
    },
    "zenml.utils": {},
    "zenml.utils.metadata_utils": _public("log_metadata"),
    "zenml.utils.tag_utils": _public("Tag", "add_tags", "remove_tags"),
    "zenml.logger": _of("logger", "get_logger"),
    "zenml.exceptions": _ERRORS,
    "zenml.io": {"fileio": "module:stepwell.sdk.fileio"},
    "zenml.io.fileio": {name: f"stepwell.sdk.fileio:{name}" for name in _FILES},
    "zenml.constants": {"DEFAULT_SERVICE_START_STOP_TIMEOUT": "=60"},
    "zenml.integrations": {},
    "zenml.integrations.constants": {name: f"={name.lower()}" for name in _INTEGRATIONS},
}
