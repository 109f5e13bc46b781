"""The truth about models, one file per thing."""

from models_registry.models.baseline import Baseline
from models_registry.models.change import Change
from models_registry.models.feature import Feature
from models_registry.models.mlmodel import MLModel
from models_registry.models.pipeline import PipelineRelease
from models_registry.models.replica import Replica, ReplicaStarts
from models_registry.models.team import Member, Receiver, Team
from models_registry.models.traffic import Traffic
from models_registry.models.version import ModelVersion

__all__ = [
    "Baseline",
    "Change",
    "Feature",
    "MLModel",
    "Member",
    "ModelVersion",
    "PipelineRelease",
    "Receiver",
    "Replica",
    "ReplicaStarts",
    "Team",
    "Traffic",
]
