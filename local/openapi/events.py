"""What webhooks are sent: one OpenAPI webhook for each type of event, all of one shape."""

from __future__ import annotations

from typing import Any

from fluvial import events

PAYLOAD = {
    "type": "object",
    "title": "WebhookPayload",
    "description": "What is sent to a webhook's `url`.",
    "properties": {
        "type": {"type": "string", "enum": list(events.TYPES)},
        "timestamp": {"type": "string", "format": "date-time"},
        "data": {"type": "object", "description": "The thing as it was then.", "additionalProperties": True},
    },
    "required": ["type", "timestamp", "data"],
}

# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
HEADERS = {
    "webhook-id": "The event's id, the same at every attempt: what was seen already can be left out.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
    "webhook-signature": "`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64; two while a secret changes.",
}


def parameters() -> dict[str, Any]:
    """The headers of a webhook, as components."""
    return {
        name: {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in HEADERS.items()
    }


def webhooks() -> dict[str, Any]:
    """The member `webhooks` of a document that has the components of `parameters` and WebhookPayload."""
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/WebhookPayload"}}}
    return {
        type: {
            "post": {
                "operationId": f"on_{type.replace('.', '_')}",
                "summary": "Sent to the url of an endpoint",
                "security": [],
                "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in HEADERS],
                "requestBody": {"required": True, "content": body},
                "responses": {"2XX": {"description": "Received, within 15 seconds. Anything else is tried again."}},
            }
        }
        for type in events.TYPES
    }
