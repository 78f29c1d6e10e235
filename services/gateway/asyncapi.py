"""The AsyncAPI document of the socket, made from the frames themselves."""

import inspect
from typing import Any
from urllib.parse import urlsplit

import msgspec

from services.gateway import closings, frames

REF = "#/components/schemas/{name}"

DESCRIPTION = (
    "Text frames of JSON, at most 64 KiB, without compression. The first frame is `auth` with a ticket, within 5 s. "
    "A message is sent when its echo is there; what has no echo is sent again, in order and under the same client_id, "
    "and is stored once. Messages of a conversation arrive in the order of seq, without gaps; only a sync brings again "
    "what was sent before. Clients ignore types and fields they do not know."
)


def document(public_url: str) -> dict[str, Any]:
    """What is said on the socket at ``public_url``, by whom, and how it ends."""
    from_client = [_name(frame) for frame in frames.CLIENT_FRAMES]
    from_server = [_name(frame) for frame in frames.SERVER_FRAMES]
    every = (*frames.CLIENT_FRAMES, *frames.SERVER_FRAMES)
    _, schemas = msgspec.json.schema_components(every, ref_template=REF)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Velaro socket", "version": "1.0.0", "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {"public": _server(public_url)},
        "channels": {
            "socket": {
                "address": "/ws/v1",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*from_client, *from_server)},
            }
        },
        "operations": {
            "fromClients": _operation("receive", from_client),
            "toClients": _operation("send", from_server),
        },
        "components": {"messages": {_name(frame): _message(frame) for frame in every}, "schemas": schemas},
        "x-close-codes": {str(code): sentence for code, sentence in closings.SENTENCES.items()},
        "x-rejections": frames.REJECTIONS,
    }


def _server(public_url: str) -> dict[str, str]:
    parts = urlsplit(public_url)
    return {"host": parts.netloc, "protocol": "wss" if parts.scheme == "https" else "ws"}


def _operation(action: str, names: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in names],
    }


def _message(frame: type[msgspec.Struct]) -> dict[str, Any]:
    sender = "from the client" if issubclass(frame, frames.ClientFrame) else "from the server"
    return {
        "name": str(frame.__struct_config__.tag),
        "title": sender,
        "summary": inspect.getdoc(frame) or "",
        "payload": {"$ref": REF.format(name=frame.__name__)},
    }


def _name(frame: type[msgspec.Struct]) -> str:
    return frame.__name__
