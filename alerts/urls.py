"""Addresses of the on-call's pages and of the webhook."""

from django.urls import path

from alerts.views import incidents, runbook, runbook_edit, silence, silences, traffic, webhook

urlpatterns = [
    path("api/alertmanager/webhook", webhook.receive, name="alertmanager-webhook"),
    path("incidents/", incidents.index, name="incidents"),
    path("incidents/<int:pk>/", incidents.detail, name="incident"),
    path("runbooks/", runbook.index, name="runbooks"),
    path("runbooks/<str:alert>/", runbook.show_runbook, name="runbook"),
    path("runbooks/<str:alert>/live/", runbook.live, name="runbook-live"),
    path("runbooks/<str:alert>/queries/", runbook.queries, name="runbook-queries"),
    path("runbooks/<str:alert>/edit/", runbook_edit.edit, name="runbook-edit"),
    path("runbooks/<str:alert>/silence/", silence.silence, name="silence"),
    path("silences/", silences.index, name="silences"),
    path("silences/<str:identity>/end/", silences.end, name="end-silence"),
    path("mitigate/<str:alert>/", runbook.mitigate, name="mitigate"),
    path("models/<str:name>/roll-back/", traffic.roll_back, name="roll-back"),
    path("models/<str:name>/deploy/", traffic.deploy, name="deploy"),
    path("models/<str:name>/shift-traffic/", traffic.shift, name="shift-traffic"),
    path("models/<str:name>/withdraw/", traffic.withdraw, name="withdraw"),
    path("models/<str:name>/promote/", traffic.promote, name="promote"),
]
