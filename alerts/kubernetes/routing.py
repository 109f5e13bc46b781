"""alertmanager.yml as the spec of an AlertmanagerConfig (v1alpha1) that is the root of the tree. Pure.

Two things differ. A file of a secret becomes a key of a Secret. And v1alpha1 knows no time zone: the tickets of a team
that doesn't live on UTC are told at once, since muting them at wrong hours would lose those that come and go meanwhile.
"""

from collections.abc import Mapping
from typing import Any

from alerts.kubernetes.names import RECEIVERS, TOKENS, receiver_key, secret_key
from alerts.matchers import parse

# A field that names the file of a secret -> the field that refers to a Secret.
_SECRETS = {
    "api_key_file": "apiKey",
    "api_url_file": "apiURL",
    "routing_key_file": "routingKey",
    "url_file": "urlSecret",
    "webhook_url_file": "webhookUrl",
}
_MAIL = {"smtp_smarthost": "smarthost", "smtp_from": "from", "smtp_auth_username": "authUsername"}
# Fields that aren't merely written in camel case.
_NAMES = {"api_url": "apiURL", "client_url": "clientURL", "links": "pagerDutyLinkConfigs"}


def alertmanager_spec(document: Mapping[str, Any]) -> dict[str, Any]:
    """The spec; `document` is alertmanager.yml as data."""
    hours = [each for each in document.get("time_intervals", ()) if _on_utc(each)]
    mail = _mail_server(document["global"])
    spec: dict[str, Any] = {
        "route": _route(document["route"], {each["name"] for each in hours}),
        "inhibitRules": [_inhibition(rule) for rule in document["inhibit_rules"]],
        "receivers": [_receiver(receiver, mail) for receiver in document["receivers"]],
    }
    if hours:
        spec["muteTimeIntervals"] = [_hours(each) for each in hours]
    return spec


def _route(route: Mapping[str, Any], hours: set[str]) -> dict[str, Any]:
    """A route and those below it; `hours` are the time intervals that there are."""
    written = {_camel(key): value for key, value in route.items()}
    if "matchers" in route:
        written["matchers"] = [_matcher(text) for text in route["matchers"]]
    if "routes" in route:
        written["routes"] = [_route(each, hours) for each in route["routes"]]
    if not hours.issuperset(route.get("active_time_intervals", ())):
        del written["activeTimeIntervals"]
    return written


def _inhibition(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sourceMatch": [_matcher(text) for text in rule["source_matchers"]],
        "targetMatch": [_matcher(text) for text in rule["target_matchers"]],
        "equal": rule["equal"],
    }


def _matcher(text: str) -> dict[str, str]:
    matcher = parse(text)
    return {"name": matcher.label, "matchType": matcher.operator, "value": matcher.value}


def _on_utc(interval: Mapping[str, Any]) -> bool:
    return all(each["location"] == "UTC" for each in interval["time_intervals"])


def _hours(interval: Mapping[str, Any]) -> dict[str, Any]:
    periods = [
        {
            "times": [{"startTime": t["start_time"], "endTime": t["end_time"]} for t in each["times"]],
            "weekdays": each["weekdays"],
        }
        for each in interval["time_intervals"]
    ]
    return {"name": interval["name"], "timeIntervals": periods}


def _mail_server(server: Mapping[str, Any]) -> dict[str, Any]:
    """What each e-mail receiver carries, as an AlertmanagerConfig has no `global`."""
    written: dict[str, Any] = {field: server[key] for key, field in _MAIL.items() if key in server}
    if "smtp_auth_password_file" in server:
        written["authPassword"] = secret_key(TOKENS, "smtp-password")
    return written


def _receiver(receiver: Mapping[str, Any], mail: Mapping[str, Any]) -> dict[str, Any]:
    """A receiver: its name and a list of settings for its kind."""
    name = receiver["name"]
    written: dict[str, Any] = {"name": name}
    for kind, configured in receiver.items():
        if kind != "name":
            server = mail if kind == "email_configs" else {}
            written[_camel(kind)] = [{**_settings(each, name), **server} for each in configured]
    return written


def _settings(settings: Mapping[str, Any], receiver: str) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for key, value in settings.items():
        if key in _SECRETS:
            written[_SECRETS[key]] = secret_key(RECEIVERS, receiver_key(receiver))
        else:
            written[_camel(key)] = _value(key, value)
    return written


def _value(key: str, value: Any) -> Any:
    """A setting's value where the operator wants it in another form."""
    if key in ("headers", "details"):
        return [{"key": name, "value": text} for name, text in value.items()]
    if key == "links":
        return [{"href": link["href"], "alt": link["text"]} for link in value]
    if key == "http_config":  # only Plumbline's own webhook has one: the token that it knows Alertmanager by
        kind = value["authorization"]["type"]
        return {"authorization": {"type": kind, "credentials": secret_key(TOKENS, "webhook")}}
    return value


def _camel(key: str) -> str:
    first, *others = key.split("_")
    return _NAMES.get(key) or first + "".join(word.capitalize() for word in others)
