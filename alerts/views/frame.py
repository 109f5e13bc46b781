"""The admin's frame around our own pages."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, title: str, about: str = "", status: int = 200
) -> HttpResponse:
    """`template` inside the admin's frame: its navigation, theme and messages.

    `title` is the page's heading; with `about`, what it is about, it names the browser's tab.
    """
    framed = {**admin.site.each_context(request), "title": title, "subtitle": about, **context}
    return render(request, template, framed, status=status)


def way_back(request: HttpRequest, default: str) -> str:
    """Where the person came from (`next`): a page of ours, else `default`."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) and wanted.startswith("/"):
        return wanted
    return default


def partial(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """The part of a page that refreshes itself; never kept by a cache."""
    response = render(request, template, dict(context))
    response.headers["Cache-Control"] = "no-store"
    return response
