"""The admin's frame around our own pages."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, title: str, status: int = 200
) -> HttpResponse:
    """`template` inside the admin's frame: its navigation, theme and messages."""
    framed = {**admin.site.each_context(request), "title": title, **context}
    return render(request, template, framed, status=status)


def partial(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """The part of a page that refreshes itself; never kept by a cache."""
    response = render(request, template, dict(context))
    response.headers["Cache-Control"] = "no-store"
    return response
