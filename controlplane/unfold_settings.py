"""The admin theme: name, colours, and the navigation of every page."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _item(title: str, icon: str, link: Any) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": link}


def _list(title: str, icon: str, model: str) -> dict[str, Any]:
    return _item(title, icon, reverse_lazy(f"admin:{model}_changelist"))


def _favicon(request: HttpRequest) -> str:
    return static("plumbline/favicon.svg")


def _on_fleet(request: HttpRequest) -> bool:
    return request.path == "/" or request.path.startswith("/models/")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Plumbline",
    "SITE_HEADER": "Plumbline",
    "SITE_SUBHEADER": "ML models under watch",
    "SITE_SYMBOL": "straighten",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _favicon}],
    "SHOW_VIEW_ON_SITE": False,
    # The admin's own log knows only what was done in the admin; the Changes know all.
    "SHOW_HISTORY": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "COMMAND": {
        "search_models": ["models_registry.mlmodel", "models_registry.team", "models_registry.modelversion"],
    },
    "ACCOUNT": {
        "navigation": [{"title": "API tokens", "link": reverse_lazy("admin:controlplane_apitoken_changelist")}],
    },
    "SIDEBAR": {
        "show_search": False,
        "command_search": True,
        "navigation": [
            {
                "title": "Now",
                "items": [
                    # Every address starts with its link.
                    _item("Fleet", "home", "/") | {"active": _on_fleet},
                    _item("Incidents", "notifications_active", "/incidents/"),
                    _item("Releases", "rocket_launch", "/releases/"),
                    _item("Changes", "history", "/changes/"),
                    _item("Runbooks", "menu_book", "/runbooks/"),
                    _item("Silences", "notifications_paused", "/silences/"),
                    _item("Who gets paged?", "campaign", "/who/"),
                ],
            },
            {
                "title": "Registry",
                "separator": True,
                "items": [
                    _list("Models", "model_training", "models_registry_mlmodel"),
                    _list("Versions", "layers", "models_registry_modelversion"),
                    _list("Features", "data_object", "models_registry_feature"),
                    _list("Baselines", "analytics", "models_registry_baseline"),
                    _list("Pipeline releases", "conveyor_belt", "models_registry_pipelinerelease"),
                    _list("Alert policies", "tune", "alerts_alertpolicy"),
                    _list("Custom alerts", "add_alert", "alerts_customalert"),
                    _list("Objectives", "flag", "alerts_objective"),
                    _list("Drift checks", "monitoring", "drift_driftcheck"),
                    _list("Business proxies", "storefront", "drift_businessproxy"),
                    _list("Teams", "groups", "models_registry_team"),
                    _list("Replicas", "dns", "models_registry_replica"),
                ],
            },
            {
                "title": "Access",
                "separator": True,
                "items": [
                    _list("API tokens", "key", "controlplane_apitoken"),
                    _list("Users", "person", "auth_user"),
                    _item("API", "api", reverse_lazy("api-docs")),
                ],
            },
        ],
    },
}
