import json

import msgspec

from services.gateway import asyncapi, frames


def test_every_frame_is_in_the_document_under_its_type():
    document = asyncapi.document("https://chat.example.com")
    messages = document["components"]["messages"]
    every = [*frames.CLIENT_FRAMES, *frames.SERVER_FRAMES]
    assert {name: message["name"] for name, message in messages.items()} == {
        frame.__name__: frame.__struct_config__.tag for frame in every
    }
    assert document["servers"]["public"] == {"host": "chat.example.com", "protocol": "wss"}


def test_all_references_resolve():
    document = asyncapi.document("http://localhost:8080")
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}:
        found = document
        for step in reference.split("/"):
            found = found[step]


def test_clients_know_which_operation_is_theirs():
    operations = asyncapi.document("http://localhost:8080")["operations"]
    assert (operations["fromClients"]["action"], operations["toClients"]["action"]) == ("receive", "send")
    assert msgspec.json.encode(operations)


def test_every_code_the_gateway_uses_is_explained():
    document = asyncapi.document("http://localhost:8080")
    assert {"4401", "4403", "4408", "4429", "1012", "1013"} <= set(document["x-close-codes"])
    assert {"too-fast", "malformed", "not-found", "not-open"} <= set(document["x-rejections"])
