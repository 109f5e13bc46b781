"""/healthz: whether this process can answer, for the supervisor and the load balancer. No sign-in, no details."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 where the database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "the database doesn't answer"}, status=503)
    return JsonResponse({"status": "ok"})
