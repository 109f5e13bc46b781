"""Whoever makes three mistakes in one request is told of three."""

import pytest
from django.contrib.auth.models import User

from models_registry.models import Change
from tests.controlplane.test_api_registry import Api
from tests.fixtures.registry import Registry

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("address", "body", "named"),
    [
        ("models/fraud/", {"timeout_seconds": 0, "classes": ["one"]}, ["classes", "timeout_seconds"]),
        ("models/fraud/", {"risk": "huge", "nope": 1}, ["nope", "risk"]),
        ("models/fraud/", {"on_call_team": "nobody", "classes": ["one"]}, ["classes", "on_call_team"]),
        (
            "models/fraud/",
            {"classes": ["one"], "features": [{"name": "a", "minimum": 2, "maximum": 1}]},
            ["classes", "features.a.maximum"],
        ),
        (
            "models/fraud/",
            {"timeout_seconds": 0, "features": [{"name": "a", "minimum": 2, "maximum": 1}]},
            ["features.a.maximum", "timeout_seconds"],
        ),
        # What the classes have to be hangs on the task: nothing is said of them.
        ("models/fraud/", {"task": "none", "classes": ["one"]}, ["task"]),
        (
            "teams/payments/",
            {"time_zone": "Mars", "receivers": [{"severity": "page", "kind": "slack"}]},
            ["receivers.page.address", "receivers.page.secret_file", "time_zone"],
        ),
        (
            "models/fraud/features/amount/",
            {"minimum": 2, "maximum": 1, "missing_limit": 2},
            ["maximum", "missing_limit"],
        ),
    ],
)
def test_all_that_is_wrong_is_named_at_once(
    superuser: User, registry: Registry, address: str, body: dict, named: list[str]
):
    status, errors = Api(superuser)("patch", address, body)
    assert (status, sorted(errors)) == (400, named)
    assert not Change.objects.filter(kind="registry").exists()


def test_of_a_new_model_the_rest_is_looked_at_although_a_field_is_missing(superuser: User, registry: Registry):
    status, errors = Api(superuser)("post", "models/", {"name": "x", "on_call_team": "payments", "classes": ["one"]})
    assert (status, sorted(errors)) == (400, ["applied_ml_team", "classes", "data_team"])
