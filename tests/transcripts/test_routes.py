import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from services.transcripts import actions
from services.transcripts.bootstrap import Context
from services.transcripts.routes import OPERATORS
from services.transcripts.store import TranscriptStore
from tests.transcripts.builders import BEGINNING, CHROME, Dialogue, shown

Headers = Callable[..., dict[str, str]]
NOW = BEGINNING + timedelta(hours=1)
TRANSCRIPTS = "/internal/v1/transcripts"


def chat_unasked(customer_id: str, conversation_id: str) -> list[object]:
    raise AssertionError("chat was asked")


@pytest.fixture
def seal(store: TranscriptStore) -> Callable[..., Dialogue]:
    def sealed(dialogue: Dialogue) -> Dialogue:
        actions.record(dialogue.events, store=store)
        actions.seal_transcript(dialogue.closed, store=store, fetch=chat_unasked, now=NOW)
        return dialogue

    return sealed


@pytest.fixture
def archive(store: TranscriptStore) -> Callable[[], object]:
    return lambda: actions.archive_transcripts(store=store, sealed_before=NOW + timedelta(days=1), now=NOW)


def test_a_transcript_is_shown_with_its_words_capture_and_answers(client: FlaskClient, headers: Headers, seal):
    dialogue = seal(Dialogue())
    answer = client.get(f"{TRANSCRIPTS}/{dialogue.conversation_id}", headers=headers())
    assert answer.status_code == 200
    assert answer.json == {
        "transcript_id": dialogue.conversation_id,
        "site_id": "site",
        "visitor_id": dialogue.visitor_id,
        "visitor_name": "Vera",
        "opened_at": "2026-03-01T09:00:00Z",
        "closed_at": "2026-03-01T09:10:00Z",
        "sealed_at": "2026-03-01T10:00:00Z",
        "message_count": 3,
        "operators": ["Otto"],
        "storage": "live",
        "messages": [shown(message) for message in dialogue.messages],
        "captured": {
            "ip": "203.0.113.9",
            "user_agent": CHROME,
            "browser": "Chrome 126",
            "os": "Windows 10",
            "device": "Computer",
            "language": "de-AT",
            "page": {"url": "https://shop.example/basket", "title": "Basket", "referrer": "https://shop.example/"},
        },
        "trail": [],
        "responses": [
            {
                "survey_id": "survey",
                "survey_version": 3,
                "placement": "pre-chat",
                "answers": [
                    {"question_id": "email", "label": "Your e-mail", "kind": "email", "value": "vera@example.org"}
                ],
            }
        ],
        "acknowledged_policy_version": "2026-01",
        "acknowledgements": [{"version": "2026-01", "acknowledged_at": "2026-03-01T09:00:00Z"}],
        "digest": dialogue.closed.digest,
        "last_seq": 3,
    }


def test_an_archived_transcript_is_shown_the_same(client: FlaskClient, headers: Headers, seal, archive):
    dialogue = seal(Dialogue())
    path = f"{TRANSCRIPTS}/{dialogue.conversation_id}"
    live = client.get(path, headers=headers()).json
    archive()
    assert client.get(path, headers=headers()).json == live | {"storage": "archived"}
    assert len(client.get(f"{path}/messages", headers=headers()).json["messages"]) == 3


def test_a_damaged_archive_is_a_clear_problem(client: FlaskClient, headers: Headers, context: Context, seal, archive):
    dialogue = seal(Dialogue())
    archive()
    context.database["archives"].update_one({}, {"$set": {"data": b"something else"}})
    for path in ("", "/messages"):
        answer = client.get(f"{TRANSCRIPTS}/{dialogue.conversation_id}{path}", headers=headers())
        assert answer.status_code == 500
        assert answer.json["code"] == "transcript-damaged"


def test_the_list_pages_by_cursor(client: FlaskClient, headers: Headers, seal):
    dialogues = [seal(Dialogue(began_at=BEGINNING + timedelta(minutes=minute))) for minute in range(5)]
    seen, query = [], {"limit": 2}
    while True:
        answer = client.get(TRANSCRIPTS, query_string=query, headers=headers()).json
        seen += [transcript["transcript_id"] for transcript in answer["transcripts"]]
        if not answer["next"]:
            break
        query["after"] = answer["next"]
    assert seen == [dialogue.conversation_id for dialogue in reversed(dialogues)]


def test_the_list_says_what_the_show_says(client: FlaskClient, headers: Headers, seal):
    dialogue = seal(Dialogue())
    [listed] = client.get(TRANSCRIPTS, headers=headers()).json["transcripts"]
    full = client.get(f"{TRANSCRIPTS}/{dialogue.conversation_id}", headers=headers()).json
    assert listed.items() <= full.items()


def test_words_and_span_are_asked_for_together(client: FlaskClient, headers: Headers, seal, archive):
    early = seal(Dialogue(["my parcel"]))
    archive()
    seal(Dialogue(["my parcel"], began_at=BEGINNING + timedelta(days=2)))
    seal(Dialogue(["nothing"]))
    query = {"q": "PARCEL", "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00+00:00"}
    answer = client.get(TRANSCRIPTS, query_string=query, headers=headers()).json
    assert [transcript["transcript_id"] for transcript in answer["transcripts"]] == [early.conversation_id]


def test_what_is_not_sealed_is_not_there(client: FlaskClient, headers: Headers, store: TranscriptStore):
    dialogue = Dialogue()
    actions.record(dialogue.events, store=store)
    assert client.get(TRANSCRIPTS, headers=headers()).json == {"transcripts": [], "next": None}
    for path in ("", "/messages"):
        assert client.get(f"{TRANSCRIPTS}/{dialogue.conversation_id}{path}", headers=headers()).status_code == 404


def test_another_customers_transcript_is_as_unknown_as_no_transcript(
    client: FlaskClient, headers: Headers, seal, archive
):
    dialogue = seal(Dialogue(customer_id="acme"))
    for storage, role, path in itertools.product(("live", "archived"), OPERATORS, ("", "/messages")):
        if storage == "archived":
            archive()
        of_other = headers(role, customer_id="other")
        foreign = client.get(f"{TRANSCRIPTS}/{dialogue.conversation_id}{path}", headers=of_other)
        unknown = client.get(f"{TRANSCRIPTS}/unknown{path}", headers=of_other)
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.json | {"request_id": ""} == unknown.json | {"request_id": ""}


def test_another_customers_transcripts_are_not_listed(client: FlaskClient, headers: Headers, seal):
    seal(Dialogue(customer_id="acme"))
    for query in ({}, {"q": "parcel"}):
        answer = client.get(TRANSCRIPTS, query_string=query, headers=headers(customer_id="other"))
        assert answer.json["transcripts"] == []


def test_a_visitor_reads_the_words_of_their_own_conversation(client: FlaskClient, headers: Headers, seal, archive):
    dialogue = seal(Dialogue())
    path = f"{TRANSCRIPTS}/{dialogue.conversation_id}"
    own = headers("visitor", subject=dialogue.visitor_id)
    for _ in ("live", "archived"):
        answer = client.get(f"{path}/messages", headers=own)
        assert answer.json == {
            "messages": [shown(message) for message in dialogue.messages],
            "last_seq": 3,
            "status": "closed",
        }
        assert client.get(f"{path}/messages", headers=headers("visitor", subject="other")).status_code == 404
        assert client.get(f"{path}/messages", headers=headers("visitor")).status_code == 404
        foreign = headers("visitor", customer_id="other", subject=dialogue.visitor_id)
        assert client.get(f"{path}/messages", headers=foreign).status_code == 404
        archive()


def test_a_visitor_gets_at_their_own_transcript_and_nothing_else(client: FlaskClient, headers: Headers, seal):
    dialogue = seal(Dialogue())
    own = headers("visitor", subject=dialogue.visitor_id)
    assert client.get(TRANSCRIPTS, headers=own).status_code == 403
    other = headers("visitor", subject="another")
    assert client.get(f"{TRANSCRIPTS}/{dialogue.conversation_id}", headers=own).status_code == 200
    assert client.get(f"{TRANSCRIPTS}/{dialogue.conversation_id}", headers=other).status_code == 404


def test_messages_page_by_seq(client: FlaskClient, headers: Headers, seal):
    dialogue = seal(Dialogue(["a", "b", "c", "d"]))
    path = f"{TRANSCRIPTS}/{dialogue.conversation_id}/messages"
    answer = client.get(path, query_string={"after": 1, "limit": 2}, headers=headers()).json
    assert [message["seq"] for message in answer["messages"]] == [2, 3]
    assert client.get(path, query_string={"after": 4}, headers=headers()).json["messages"] == []


def test_nothing_is_shown_without_a_token(client: FlaskClient):
    for path in ("", "/x", "/x/messages"):
        assert client.get(f"{TRANSCRIPTS}{path}").status_code == 401


def test_nothing_is_shown_without_a_customer(client: FlaskClient, headers: Headers):
    for path in ("", "/x", "/x/messages"):
        assert client.get(f"{TRANSCRIPTS}{path}", headers=headers(customer_id=None)).status_code == 403


BAD_QUERIES = {
    "limit=0": "limit",
    "limit=201": "limit",
    "limit=many": "limit",
    "limit[$ne]=1": "limit[$ne]",
    "q[$ne]=1": "q[$ne]",
    "q=" + "x" * 201: "q",
    "from=yesterday": "from",
    "from=0": "from",
    "from=2026-03-01": "from",
    "from=2026-03-01T00:00:00": "from",
    "from=0001-01-01T00:00:00%2B14:00": "from",
    "to=9999-12-31T23:59:59-14:00": "to",
    "after=nonsense": "after",
    "after=W10=": "after",
    "after=WzEwZTk5LCJ4Il0=": "after",
    "after=" + "x" * 401: "after",
    "customer_id=other": "customer_id",
}


def test_a_bad_query_is_refused_by_field(client: FlaskClient, headers: Headers):
    for query, field in BAD_QUERIES.items():
        answer = client.get(f"{TRANSCRIPTS}?{query}", headers=headers())
        assert (query, answer.status_code, answer.json["code"]) == (query, 422, "invalid")
        assert [error["field"] for error in answer.json["errors"]] == [field]


def test_a_bad_place_in_the_messages_is_refused(client: FlaskClient, headers: Headers, seal):
    dialogue = seal(Dialogue())
    for query in ("after=-1", "after=x", "limit=0", "limit=501", f"after={10**30}", "wait=1"):
        answer = client.get(f"{TRANSCRIPTS}/{dialogue.conversation_id}/messages?{query}", headers=headers())
        assert (query, answer.status_code) == (query, 422)


def test_an_odd_id_is_an_unknown_id(client: FlaskClient, headers: Headers):
    for odd in ("%00", "%ff%fe", "$ne", "%7B%22$ne%22:1%7D", "x" * 4000, "..", "0"):
        answer = client.get(f"{TRANSCRIPTS}/{odd}", headers=headers())
        assert (odd, answer.status_code) == (odd, 404)


def test_the_openapi_document_tells_of_every_route(client: FlaskClient):
    document = client.get("/openapi.json").json
    assert set(document["paths"]) == {
        TRANSCRIPTS,
        f"{TRANSCRIPTS}/{{transcript_id}}",
        f"{TRANSCRIPTS}/{{transcript_id}}/messages",
        "/internal/v1/disclosed-transcripts",
        "/internal/v1/disclosed-transcripts/{transcript_id}",
    }


def test_it_is_ready_with_its_database(client: FlaskClient):
    assert client.get("/ready").status_code == 200
