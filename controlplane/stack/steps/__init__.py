"""The steps that `script/up --check` walks; each returns what it saw, or raises StepFailed."""
