"""The registry in the admin: a file per thing. Everything is written through edits, removal and traffic."""

from models_registry.admin.baselines import BaselineAdmin
from models_registry.admin.changes import ChangeAdmin, ReplicaAdmin
from models_registry.admin.features import FeatureAdmin
from models_registry.admin.models import MLModelAdmin
from models_registry.admin.pipelines import PipelineReleaseAdmin
from models_registry.admin.teams import TeamAdmin
from models_registry.admin.versions import ModelVersionAdmin

__all__ = [
    "BaselineAdmin",
    "ChangeAdmin",
    "FeatureAdmin",
    "MLModelAdmin",
    "ModelVersionAdmin",
    "PipelineReleaseAdmin",
    "ReplicaAdmin",
    "TeamAdmin",
]
