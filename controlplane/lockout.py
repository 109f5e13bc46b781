"""What somebody sees who failed to sign in too often."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def locked_out(request: HttpRequest, response: Any = None, credentials: Any = None) -> HttpResponse:
    """429 with how long to wait. Django-axes calls it; the same for every name, known or not."""
    context = {
        **admin.site.each_context(request),
        "title": "Locked for now",
        "failures": settings.AXES_FAILURE_LIMIT,
        "minutes": round(settings.AXES_COOLOFF_TIME * 60),
    }
    return render(request, "controlplane/locked_out.html", context, status=429)
