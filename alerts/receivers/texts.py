"""Templates that several kinds of receivers share: one line, and the whole of it as plain text."""

TITLE = (
    '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] '
    "{{ .CommonLabels.severity }}: {{ .CommonLabels.alertname }} {{ .CommonLabels.model_name }}"
)
TEXT = "\n".join(
    (
        "{{ range .Alerts }}{{ .Annotations.summary }}",
        "{{ .Annotations.description }}",
        "Runbook: {{ .Annotations.runbook_url }}",
        "Dashboard: {{ .Annotations.dashboard_url }}",
        "Mitigate: {{ .Annotations.mitigation_url }}",
        "",
        "{{ end }}",
    )
)
