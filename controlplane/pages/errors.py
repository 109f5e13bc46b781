"""What people see when a request fails: a page with the reason and a way on. Programs, under /api/, get JSON.

Whoever is signed in sees it in the frame of all pages. The page for everybody else, and for what breaks in Plumbline
itself, asks neither the database nor the session: they may be what is broken.
"""

from dataclasses import dataclass, field

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.http import escape_leading_slashes, urlencode

from alerts.views.frame import page

PROGRAMS = "/api/"


@dataclass(frozen=True)
class Failure:
    """`links` are (text, address) of where to go on; the fleet is offered besides."""

    status: int
    title: str
    text: str
    links: list[tuple[str, str]] = field(default_factory=list)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400. The host itself may be what is wrong: nothing here depends on it."""
    return _bare(request, Failure(400, "This request can't be answered", _why_bad(exception)))


def forbidden(request: HttpRequest, exception: PermissionDenied) -> HttpResponse:
    """403."""
    text = _words(exception) or (
        "Your roles in teams don't allow this. An editor of the team that owns it can do it, or make you one."
    )
    return _answer(request, Failure(403, "You may not do this", text))


def not_found(request: HttpRequest, exception: Http404) -> HttpResponse:
    """404."""
    text = _words(exception) or "There is nothing at this address. It may have been removed, or the link was cut."
    return _answer(request, Failure(404, "Not found", text))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that was sent from a page of an older sign-in, or from elsewhere."""
    text = (
        "The page that it came from is older than your sign-in, or the browser keeps no cookies. Nothing was changed. "
        "Go back with the browser's Back button, copy what you typed, load the page again and send it once more."
    )
    return _answer(request, Failure(403, "This form is out of date", text, [("Load the page again", _here(request))]))


def server_error(request: HttpRequest) -> HttpResponse:
    """500."""
    text = (
        f"An error in Plumbline, not in what you did. It is in the web process' log, at {timezone.now():%H:%M:%S} UTC. "
        "Alerts go on meanwhile: Prometheus and Alertmanager don't need this page."
    )
    return _bare(request, Failure(500, "Something went wrong", text, [("Try again", _here(request))]))


def _here(request: HttpRequest) -> str:
    """This address, as a link that stays on this host."""
    return escape_leading_slashes(request.path)


def _why_bad(exception: Exception) -> str:
    if isinstance(exception, DisallowedHost):
        return "Plumbline doesn't answer for the name in this address. Whoever runs it can add it to ALLOWED_HOSTS."
    if isinstance(exception, RequestDataTooBig | TooManyFieldsSent | TooManyFilesSent):
        return "It holds more than Plumbline takes at once. Nothing was changed: send it in parts, or use the API."
    return "It can't be understood, so nothing was changed. The link may have been cut."


def _words(exception: Exception) -> str:
    """What the view said; empty where it said nothing (the resolver says which addresses it tried)."""
    said = exception.args[0] if exception.args else ""
    return said if isinstance(said, str) else ""


def _answer(request: HttpRequest, failure: Failure) -> HttpResponse:
    if request.path.startswith(PROGRAMS):
        return _json(failure)
    # What fails early has nobody signed in yet.
    if not getattr(request, "user", AnonymousUser()).is_authenticated:
        sign_in = f"{reverse('admin:login')}?{urlencode({'next': request.get_full_path()})}"
        return _bare(
            request, Failure(failure.status, failure.title, failure.text, [*failure.links, ("Sign in", sign_in)])
        )
    context = {"failure": failure}
    return page(request, "plumbline/failure.html", context, title=f"Error {failure.status}", status=failure.status)


def _bare(request: HttpRequest, failure: Failure) -> HttpResponse:
    if request.path.startswith(PROGRAMS):
        return _json(failure)
    # Without the request: context processors would ask for the session.
    return HttpResponse(render_to_string("plumbline/failure_bare.html", {"failure": failure}), status=failure.status)


def _json(failure: Failure) -> HttpResponse:
    return JsonResponse({"detail": f"{failure.title}. {failure.text}"}, status=failure.status)
