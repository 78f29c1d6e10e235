import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.auth import STAFF
from chassis.ids import new_id
from chassis.testing import a_delivery
from services.surveys.consumer import handle_deliveries
from tests.erasing import nothing_rests
from tests.surveys.builders import JSON, an_opening_event

SURVEY = "/internal/v1/surveys/site-1/pre-chat"
RESPONSES = "/internal/v1/responses"
OWN = "/internal/v1/own-responses"

QUESTIONS = [
    {"question_id": "email", "kind": "email", "label": "Your e-mail", "is_required": True},
    {"question_id": "topic", "kind": "choice", "label": "About", "choices": ["Sales", "Support"]},
    {"question_id": "age", "kind": "number", "label": "Age", "minimum": 0, "maximum": 150},
    {"question_id": "note", "kind": "text", "label": "Anything else?", "max_length": 200},
]
FIELDS = sorted({field for question in QUESTIONS for field in question})
RESPONSE = {
    "site_id": "site-1",
    "conversation_id": "conversation-1",
    "occasion_id": "conversation-1",
    "placement": "pre-chat",
    "answers": {"email": "ada@example.com", "age": 36},
}


@pytest.fixture
def call(client, callers):
    """Calls as somebody of customer-1 unless told otherwise."""

    def call(method, path, *, role="owner", customer_id="customer-1", subject=None, **kwargs):
        headers = callers.headers("surveys", role, customer_id=customer_id, subject=subject)
        return client.open(path, method=method, headers=headers, **kwargs)

    return call


@pytest.fixture
def survey(call):
    return call("PUT", SURVEY, json={"questions": QUESTIONS}).json


def test_a_published_survey_is_what_the_widget_gets(call, survey):
    reply = call("GET", SURVEY, role="public")

    assert reply.status_code == 200
    assert reply.json == survey
    assert reply.json == {
        "survey_id": survey["survey_id"],
        "version": 1,
        "placement": "pre-chat",
        "published_at": survey["published_at"],
        "rules": survey["rules"],
        "questions": [
            QUESTIONS[0],
            QUESTIONS[1] | {"is_required": False},
            QUESTIONS[2] | {"is_required": False},
            QUESTIONS[3] | {"is_required": False},
        ],
    }


def test_no_survey_and_the_survey_of_another_customer_look_the_same(call, survey):
    none = call("GET", "/internal/v1/surveys/site-9/pre-chat")
    foreign = call("GET", SURVEY, customer_id="customer-2")

    assert none.status_code == foreign.status_code == 404
    assert {**none.json, "request_id": ""} == {**foreign.json, "request_id": ""}


@pytest.mark.parametrize("role", ["public", "visitor", "operator", "analyst", "service"])
def test_only_owners_and_admins_change_a_survey(call, role):
    assert call("PUT", SURVEY, role=role, json={"questions": QUESTIONS}).status_code == 403
    assert call("GET", SURVEY).status_code == 404


def test_every_call_needs_a_token_and_a_customer(client, callers):
    nobody = callers.headers("surveys", "public")

    for method, path in [("GET", SURVEY), ("PUT", SURVEY), ("POST", RESPONSES), ("GET", RESPONSES)]:
        assert client.open(path, method=method).status_code == 401
    assert client.get(SURVEY, headers=nobody).status_code == 403
    assert client.post(RESPONSES, headers=nobody, json=RESPONSE).status_code == 403


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"question_id": "x", "kind": "file", "label": "X"},
        {"question_id": "x y", "kind": "text", "label": "X"},
        {"question_id": {"$ne": 1}, "kind": "text", "label": "X"},
        {"question_id": "x", "kind": "text", "label": ""},
        {"question_id": "x", "kind": "text", "label": " \t"},
        {"question_id": "x", "kind": "text", "label": "X", "surprise": 1},
        {"question_id": "x", "kind": "text", "label": "X", "choices": ["a", "b"]},
        {"question_id": "x", "kind": "text", "label": "X", "max_length": 4001},
        {"question_id": "x", "kind": "text", "label": "X", "is_required": "yes"},
        {"question_id": "x", "kind": "choice", "label": "X"},
        {"question_id": "x", "kind": "choice", "label": "X", "choices": ["a"]},
        {"question_id": "x", "kind": "choice", "label": "X", "choices": ["a", "a "]},
        {"question_id": "x", "kind": "number", "label": "X", "minimum": 2, "maximum": 1},
        {"question_id": "x", "kind": "number", "label": "X", "minimum": "1"},
        {"question_id": "x", "kind": "number", "label": "X", "minimum": 1e300},
    ],
)
def test_a_bad_question_is_refused_and_nothing_is_stored(call, question):
    reply = call("PUT", SURVEY, json={"questions": [question]})

    assert reply.status_code == 422
    assert reply.json["code"] == "invalid"
    assert all(error["field"].startswith("questions.0") for error in reply.json["errors"])
    assert call("GET", SURVEY).status_code == 404


@pytest.mark.parametrize("questions", [[QUESTIONS[0]] * 2, None, "x", {"$ne": 1}])
def test_bad_lists_of_questions_are_refused(call, questions):
    assert call("PUT", SURVEY, json={"questions": questions}).status_code == 422


def test_answers_are_kept(call, survey):
    reply = call("POST", RESPONSES, role="public", json=RESPONSE)

    assert reply.status_code == 201
    assert reply.json == {"response_id": reply.json["response_id"], "survey_version": 1}
    [kept] = call("GET", RESPONSES, query_string={"conversation_id": "conversation-1"}).json["responses"]
    assert kept == {
        "response_id": reply.json["response_id"],
        "survey_id": survey["survey_id"],
        "survey_version": 1,
        "site_id": "site-1",
        "conversation_id": "conversation-1",
        "placement": "pre-chat",
        "acknowledged_policy_version": None,
        "status": "pending",
        "answers": [
            {"question_id": "email", "label": "Your e-mail", "kind": "email", "value": "ada@example.com"},
            {"question_id": "age", "label": "Age", "kind": "number", "value": "36"},
        ],
        "answered_at": kept["answered_at"],
    }


def test_bad_answers_are_refused_question_by_question_without_repeating_them(call, survey):
    answers = {"email": "not-an-address", "topic": {"$ne": "hidden-value"}, "age": "hidden-value"}
    reply = call("POST", RESPONSES, role="visitor", json=RESPONSE | {"answers": answers})

    assert reply.status_code == 422
    assert reply.json["code"] == "invalid"
    assert reply.json["errors"] == [
        {"field": "answers.email", "detail": "This is not an e-mail address."},
        {"field": "answers.topic", "detail": "This is not one of the choices."},
        {"field": "answers.age", "detail": "This must be a number."},
    ]
    assert "hidden-value" not in reply.text
    assert "not-an-address" not in reply.text


@pytest.mark.parametrize(
    "change",
    [
        {"site_id": {"$ne": 1}},
        {"conversation_id": ["x"]},
        {"conversation_id": ""},
        {"conversation_id": "x" * 65},
        {"placement": "in-chat"},
        {"answers": [1]},
        {"answers": {str(number): "x" for number in range(100)}},
        {"customer_id": "customer-2"},
    ],
)
def test_bad_bodies_are_refused_and_nothing_is_stored(call, survey, context, change):
    assert call("POST", RESPONSES, role="public", json=RESPONSE | change).status_code == 422
    assert context.database["responses"].count_documents({}) == 0


@pytest.mark.parametrize("broken", [b"{", b"\xff\xfe", b'{"answers": "\\ud800"}', b"[" * 5000])
def test_what_is_not_json_is_malformed(call, broken):
    assert call("POST", RESPONSES, role="public", data=broken, content_type="application/json").status_code == 400


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(["email", "topic", "age", "note"]) | st.text(max_size=5), JSON, max_size=6))
def test_no_answers_whatever_are_a_failure_of_ours(call, survey, answers):
    reply = call("POST", RESPONSES, role="public", json=RESPONSE | {"occasion_id": new_id(), "answers": answers})

    assert reply.status_code in (201, 204, 422)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(st.sampled_from(QUESTIONS), st.sampled_from(FIELDS) | st.text(max_size=5), JSON)
def test_no_question_whatever_is_a_failure_of_ours(call, question, field, value):
    reply = call("PUT", SURVEY, json={"questions": [question | {field: value}]})

    assert reply.status_code in (200, 422)


def test_the_same_answers_again_are_the_same_response_and_others_a_conflict(call, survey):
    first = call("POST", RESPONSES, role="public", json=RESPONSE)
    again = call("POST", RESPONSES, role="public", json=RESPONSE)
    other = call("POST", RESPONSES, role="public", json=RESPONSE | {"answers": {"email": "eve@example.com"}})

    assert (again.status_code, again.json) == (201, first.json)
    assert (other.status_code, other.json["code"]) == (409, "already-answered")


def test_nothing_asked_and_nothing_answered_is_no_content(call):
    assert call("POST", RESPONSES, role="public", json=RESPONSE | {"answers": {}}).status_code == 204
    assert call("POST", RESPONSES, role="public", json=RESPONSE).status_code == 422


def test_responses_of_another_customer_are_not_shown(call, survey):
    call("POST", RESPONSES, role="public", json=RESPONSE)
    query = {"conversation_id": "conversation-1"}

    assert call("GET", RESPONSES, query_string=query, customer_id="customer-2").json == {"responses": []}


@pytest.mark.parametrize("role", ["public", "visitor"])
def test_no_stranger_reads_responses(call, role):
    assert call("GET", RESPONSES, role=role, query_string={"conversation_id": "conversation-1"}).status_code == 403


def test_responses_are_asked_for_by_conversation(call):
    assert call("GET", RESPONSES).status_code == 422
    assert call("GET", RESPONSES, query_string={"conversation_id[$ne]": "x"}).status_code == 422


def test_a_visitor_reads_all_they_answered_page_by_page_and_nobody_else_does(call, survey):
    for placement in ("offline", "pre-chat"):
        call("PUT", f"/internal/v1/surveys/site-1/{placement}", json={"questions": QUESTIONS})
    offline = RESPONSE | {"placement": "offline", "conversation_id": None, "occasion_id": "form-1"}
    given = [
        call(
            "POST", RESPONSES, role="visitor", subject=visitor_id, json=body | {"occasion_id": f"{visitor_id}.{number}"}
        )
        for visitor_id in ("visitor-1", "visitor-2")
        for number, body in enumerate((RESPONSE, offline, offline))
    ]
    assert [answer.status_code for answer in given] == [201] * 6

    pages = [call("GET", OWN, role="visitor", subject="visitor-1", query_string={"limit": 2}).json]
    after = {"limit": 2, "after": pages[0]["next"]}
    pages.append(call("GET", OWN, role="visitor", subject="visitor-1", query_string=after).json)

    assert pages[1]["next"] is None
    found = [one for page in pages for one in page["responses"]]
    assert {one["response_id"] for one in found} == {answer.json["response_id"] for answer in given[:3]}
    assert {one["placement"] for one in found} == {"offline", "pre-chat"}
    elsewhere = call("GET", OWN, role="visitor", subject="visitor-1", customer_id="customer-2")
    assert elsewhere.json == {"responses": [], "next": None}
    for role in ("owner", "public", "service"):
        assert call("GET", OWN, role=role).status_code == 403


def test_an_attached_response_says_so(call, survey, context):

    call("POST", RESPONSES, role="public", json=RESPONSE)
    handle_deliveries([a_delivery(an_opening_event())], store=context.store, discard=nothing_rests)

    [kept] = call("GET", RESPONSES, query_string={"conversation_id": "conversation-1"}).json["responses"]
    assert kept["status"] == "attached"


def test_the_openapi_document_lists_every_call_and_anybody_may_read_it(client):
    document = client.get("/openapi.json").json

    assert {(method.upper(), path) for path, item in document["paths"].items() for method in item} >= {
        ("GET", "/internal/v1/surveys/{site_id}/{placement}"),
        ("PUT", "/internal/v1/surveys/{site_id}/{placement}"),
        ("GET", "/internal/v1/responses"),
        ("POST", "/internal/v1/responses"),
    }
    json.dumps(document)


def test_readiness_asks_the_database(client):
    assert client.get("/ready").status_code == 200


DECIDES = {"question_id": "topic", "kind": "choice", "label": "About", "choices": ["Sales", "Support"]}


def depending(**condition):
    return {
        "question_id": "why",
        "kind": "text",
        "label": "Why?",
        "shown_if": {"question_id": "topic", "values": ["Sales"]} | condition,
    }


@pytest.mark.parametrize(
    "questions",
    [
        [depending(), DECIDES],
        [DECIDES, depending(values=["Else"])],
        [DECIDES, depending(values=[])],
        [DECIDES, depending(values=[True])],
        [DECIDES, depending(question_id="why")],
        [DECIDES, depending(question_id="unknown")],
        [QUESTIONS[3] | {"question_id": "topic"}, depending()],
        [{"question_id": "topic", "kind": "rating", "label": "X"}, depending(values=[6])],
        [{"question_id": "topic", "kind": "rating", "label": "X"}, depending(values=[True])],
        [{"question_id": "topic", "kind": "consent", "label": "X"}, depending(values=[1])],
        [{"question_id": "x", "kind": "text", "label": "X", "pattern": "(a+)+"}],
        [{"question_id": "x", "kind": "text", "label": "X", "pattern": "["}],
        [{"question_id": "x", "kind": "text", "label": "X", "pattern": "a", "max_length": 201}],
        [{"question_id": "x", "kind": "long-text", "label": "X", "pattern": "a"}],
        [{"question_id": "x", "kind": "text", "label": "X", "max_length": 1001}],
        [{"question_id": "x", "kind": "choices", "label": "X", "choices": ["a", "b"], "max_choices": 3}],
        [
            {
                "question_id": "x",
                "kind": "choices",
                "label": "X",
                "choices": ["a", "b"],
                "min_choices": 2,
                "max_choices": 1,
            }
        ],
        [{"question_id": "x", "kind": "rating", "label": "X", "scale": 11}],
        [{"question_id": "x", "kind": "rating", "label": "X", "scale": 3, "about_service": "speed"}],
        [{"question_id": "x", "kind": "rating", "label": "X", "about_service": "our manners"}],
        [{"question_id": "x", "kind": "text", "label": "X", "about_service": "speed"}],
    ],
)
def test_what_cannot_be_asked_is_not_published(call, questions):
    reply = call("PUT", SURVEY, json={"questions": questions})

    assert (reply.status_code, reply.json["code"]) == (422, "invalid")
    assert call("GET", SURVEY).status_code == 404


def test_why_a_pattern_is_refused_is_said_without_repeating_it(call):
    question = {"question_id": "x", "kind": "text", "label": "X", "pattern": "(secret+)+"}
    reply = call("PUT", SURVEY, json={"questions": [question]})

    assert "too long" in reply.json["errors"][0]["detail"]
    assert "secret" not in reply.text


def test_a_question_of_every_kind_is_published_and_comes_back_as_it_is(call):
    questions = [
        {"question_id": f"q{number}", "label": "X", "is_required": False} | rest
        for number, rest in enumerate(
            [
                {"kind": "text", "max_length": 10, "pattern": "a{1,3}", "pattern_hint": "aa"},
                {"kind": "long-text", "max_length": 100},
                {"kind": "email"}, {"kind": "phone"}, {"kind": "age"}, {"kind": "birth-date"}, {"kind": "postcode"},
                {"kind": "number", "minimum": 1.0, "maximum": 2.0},
                {"kind": "income-band", "choices": ["a", "b"]},
                {"kind": "choice", "choices": ["a", "b"]},
                {"kind": "choices", "choices": ["a", "b"], "min_choices": 1, "max_choices": 2},
                {"kind": "rating", "scale": 5, "about_service": "ease"},
                {"kind": "consent", "shown_if": {"question_id": "q11", "values": [4, 5]}},
            ]
        )
    ]  # fmt: skip
    published = call("PUT", SURVEY, json={"questions": questions})

    assert (published.status_code, published.json["questions"]) == (200, questions)
    assert call("GET", SURVEY, role="public").json == published.json
    assert published.json["rules"]["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_a_survey_without_questions_asks_nothing(call, survey):
    assert call("PUT", SURVEY, json={"questions": []}).json["version"] == 2
    assert call("POST", RESPONSES, role="public", json=RESPONSE | {"answers": {}}).status_code == 204


def test_drafts_versions_responses_and_reports_are_reached_by_those_who_may(call, survey):
    drafted = call("PUT", f"{SURVEY}/draft", json={"questions": QUESTIONS[:1]})
    assert (drafted.status_code, call("GET", f"{SURVEY}/draft", role="analyst").json) == (200, drafted.json)
    assert call("DELETE", f"{SURVEY}/draft").status_code == 204
    assert call("GET", f"{SURVEY}/draft").status_code == 404
    [version] = call("GET", f"{SURVEY}/versions", role="operator").json["versions"]
    assert (version["version"], version["question_count"]) == (1, 4)
    assert call("GET", f"{SURVEY}/versions/1", role="operator").json == survey
    for number in ("2", "0", str(10**30)):
        assert call("GET", f"{SURVEY}/versions/{number}").status_code == 404
    assert call("GET", f"{SURVEY}/report", role="analyst").json["responses"] == 0
    assert call("GET", f"{SURVEY}/responses", role="analyst").json == {"responses": [], "next": None}
    for end in ("", "/draft", "/versions", "/versions/1", "/responses", "/report"):
        assert call("GET", f"/internal/v1/surveys/site-1/in-chat{end}").status_code == 404


@pytest.mark.parametrize("role", ["public", "visitor", "service"])
@pytest.mark.parametrize("end", ["/draft", "/versions", "/versions/1", "/responses", "/report"])
def test_what_was_answered_and_what_is_planned_is_not_for_visitors(call, survey, role, end):
    assert call("GET", SURVEY + end, role=role).status_code == 403


@pytest.mark.parametrize("after", ["x", "e30=", "eyJhbnN3ZXJlZF9hdCI6MX0=", "é"])
def test_a_cursor_of_no_list_is_refused(call, survey, after):
    assert call("GET", f"{SURVEY}/responses", query_string={"after": after}).status_code == 422


def test_a_minor_is_turned_away_and_nothing_is_kept(call, context):
    call("PUT", SURVEY, json={"questions": [{"question_id": "age", "kind": "age", "label": "Age"}]})
    reply = call("POST", RESPONSES, role="visitor", json=RESPONSE | {"answers": {"age": 17, "email": "x"}})

    assert (reply.status_code, reply.json["code"]) == (409, "minor")
    assert "18" in reply.json["detail"]
    assert context.database["responses"].count_documents({}) == 0


@pytest.mark.parametrize("change", [{"placement": "offline"}, {"conversation_id": None}])
def test_answers_belong_to_a_conversation_unless_nobody_was_there(call, survey, change):
    assert call("POST", RESPONSES, role="visitor", json=RESPONSE | change).status_code == 422


@pytest.mark.parametrize("role", ["public", "visitor", "owner", "admin", "operator", "analyst", "service"])
def test_the_report_for_staff_is_for_nobody_else(call, role):
    assert call("GET", "/internal/v1/staff/survey-report", role=role).status_code == 403


def test_staff_see_whole_tens_by_month_topic_and_rating(call, context):
    question = {"question_id": "q", "kind": "rating", "label": "X", "about_service": "overall"}
    call("PUT", "/internal/v1/surveys/site-1/offline", json={"questions": [question]})
    left = RESPONSE | {"placement": "offline", "conversation_id": None}
    for number in range(13):
        body = left | {"occasion_id": f"form-{number}", "answers": {"q": 1 if number < 2 else 5}}
        assert call("POST", RESPONSES, role="visitor", json=body).status_code == 201

    [month] = call("GET", "/internal/v1/staff/survey-report", role="staff-support", customer_id=None).json["months"]
    assert (month["topic"], month["ratings"]) == ("overall", {"5": 10})


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("end", ["/draft", "/versions", "/versions/1", "/responses", "/report"])
def test_staff_see_nothing_of_a_customer_s_surveys(call, survey, role, end):
    assert call("GET", SURVEY + end, role=role).status_code == 403
    assert call("GET", RESPONSES, role=role, query_string={"conversation_id": "conversation-1"}).status_code == 403
