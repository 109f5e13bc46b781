"""Where Alertmanager posts its notifications."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from alerts.incidents import record_webhook
from alerts.webhook_payload import MAX_BYTES, BadPayload, parse_body


@csrf_exempt  # no browser session: the bearer token authenticates
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Keep incidents. 401 without the token; 4xx, which Alertmanager doesn't repeat, for what is not understood."""
    given = request.headers.get("Authorization", "")
    if not settings.WEBHOOK_TOKEN or not constant_time_compare(given, f"Bearer {settings.WEBHOOK_TOKEN}"):
        return JsonResponse({"error": "Send the header Authorization: Bearer <webhook token>."}, status=401)
    try:
        changed = record_webhook(parse_body(request.read(MAX_BYTES + 1)))
    except BadPayload as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse({"opened_or_closed": changed})
