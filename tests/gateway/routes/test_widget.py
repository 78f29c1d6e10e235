import pytest

from chassis.bus import Overloaded
from chassis.http import RemoteProblem, ServiceUnavailable
from contracts.chat import AcknowledgePolicy, CloseConversation, OpenConversation, PostMessage
from tests.gateway.builders import acknowledged, closed, opened, posted, rejected

PAGE = {"url": "https://shop.example/a", "title": "A", "referrer": "https://search.example/"}
VISIT = {"site_key": "key-1", "page": PAGE, "cookies_consent": False}


def a_problem(response, status, code):
    assert response.status_code == status, response.data
    assert response.content_type == "application/problem+json"
    assert response.json["code"] == code
    return response.json


def opening(client, **changes):
    return {"acknowledged_policy_version": "3"} | changes


class TestConfig:
    def test_a_site_s_widget_learns_what_to_show(self, client):
        answer = client.get("/api/v1/widget/config?site=key-1")
        assert answer.status_code == 200
        assert answer.json["site"] == {"site_key": "key-1", "name": "Shop"}
        assert answer.json["surveys"] == {"pre_chat": None, "post_chat": None, "offline": None}
        assert answer.json["online"] is True
        assert (answer.json["policy"]["version"], answer.json["policy"]["upcoming"]) == ("3", None)
        assert answer.json["notice"]

    def test_a_survey_is_given_without_what_its_questions_leave_open(self, client):
        question = {"question_id": "q", "kind": "text", "label": "Why?", "is_required": True}
        survey = {"survey_id": "s", "version": 1, "placement": "pre-chat", "questions": [question]}
        client.here.surveys.surveys["site-1", "pre-chat"] = survey
        assert client.get("/api/v1/widget/config?site=key-1").json["surveys"]["pre_chat"]["questions"] == [question]

    def test_a_widget_learns_that_nobody_is_there(self, client):
        client.here.chat.online = False
        assert client.get("/api/v1/widget/config?site=key-1").json["online"] is False

    def test_not_to_know_whether_anybody_is_there_turns_nobody_away(self, client):
        client.here.chat.failure = ServiceUnavailable("chat")
        assert client.get("/api/v1/widget/config?site=key-1").json["online"] is True

    def test_an_unknown_site_is_not_found(self, client):
        a_problem(client.get("/api/v1/widget/config?site=nothing"), 404, "not-found")
        a_problem(client.get("/api/v1/widget/config"), 422, "invalid")
        a_problem(client.get("/api/v1/widget/config?site=a/b"), 422, "invalid")


class TestVisits:
    def test_a_new_visitor_gets_a_token_and_no_cookie(self, client):
        answer = client.post("/api/v1/widget/visits", json=VISIT)
        told = {"visitor_token": "new-token", "visit_id": "visit-1", "page_count": 1, "has_cookie": False}
        assert (answer.status_code, answer.json) == (201, told)
        assert "Set-Cookie" not in answer.headers

    def test_the_customer_and_the_reduced_address_go_to_chat_and_nothing_else_of_the_address(self, client):
        client.post("/api/v1/widget/visits", json=VISIT, environ_base={"REMOTE_ADDR": "203.0.113.9"})
        [(caller, body)] = client.here.chat.visits
        assert (caller.role, caller.customer_id, caller.site_id) == ("public", "customer-1", "site-1")
        assert body["ip"] == "203.0.113.0"
        assert "203.0.113.9" not in str(body)

    def test_a_forged_forwarded_address_is_not_believed(self, client):
        client.post("/api/v1/widget/visits", json=VISIT, headers={"X-Forwarded-For": "1.2.3.4"})
        assert client.here.chat.visits[0][1]["ip"] == "127.0.0.0"

    def test_a_known_visitor_is_recognised_and_keeps_the_token(self, client, visitor):
        answer = client.post("/api/v1/widget/visits", json=VISIT, headers=visitor)
        assert answer.json["visitor_token"] == "visitor-token"
        assert client.here.chat.visits[0][1]["visitor_token"] == "visitor-token"

    @pytest.mark.parametrize(
        "page", [{"url": "javascript:alert(1)"}, {"url": "data:text/html,x"}, {"url": {"$ne": 1}}, {"url": ""}, {}]
    )
    def test_a_page_that_is_none_is_refused(self, client, page):
        a_problem(client.post("/api/v1/widget/visits", json=VISIT | {"page": page}), 422, "invalid")

    def test_a_referrer_that_is_no_web_page_is_dropped(self, client):
        client.post("/api/v1/widget/visits", json=VISIT | {"page": PAGE | {"referrer": "javascript:alert(1)"}})
        assert client.here.chat.visits[0][1]["page"]["referrer"] == ""

    def test_too_many_visits_from_one_address_have_to_wait(self, make_client):
        client = make_client(visits_per_minute=2)
        answers = [client.post("/api/v1/widget/visits", json=VISIT) for _ in range(3)]
        a_problem(answers[2], 429, "too-fast")
        assert int(answers[2].headers["Retry-After"]) > 0


class TestOpening:
    @pytest.fixture(autouse=True)
    def _relay(self, client):
        def open_it(command):
            client.here.chat.add_conversation(command.conversation_id)
            return opened(conversation_id=command.conversation_id, caused_by=command.command_id)

        client.here.bus.answer = open_it

    def test_a_conversation_is_opened_by_the_visitor_the_token_names(self, client, visitor):
        answer = client.post("/api/v1/widget/conversations", json=opening(client, text="hi"), headers=visitor)
        assert answer.status_code == 201
        [(_, command)] = client.here.bus.sent
        assert isinstance(command, OpenConversation)
        assert answer.json == {"conversation_id": command.conversation_id, "status": "queued", "position": 1}
        assert (command.customer_id, command.visitor_id, command.text) == ("customer-1", "visitor-1", "hi")

    @pytest.mark.parametrize("version", [None, "2", ""])
    def test_the_policy_in_force_has_to_be_acknowledged(self, client, visitor, version):
        body = {} if version is None else {"acknowledged_policy_version": version}
        problem = a_problem(
            client.post("/api/v1/widget/conversations", json=body, headers=visitor), 409, "policy-not-acknowledged"
        )
        assert problem["policy_version"] == "3"
        assert client.here.bus.sent == []

    def test_answers_go_to_surveys_under_the_conversation_they_belong_to(self, client, visitor):
        body = opening(
            client, answers={"name": "Vera", "orders": 3, "agree": True, "about": ["a", "b"]}, survey_version=4
        )
        client.post("/api/v1/widget/conversations", json=body, headers=visitor)
        [recorded] = client.here.surveys.recorded
        assert recorded["conversation_id"] == client.here.bus.sent[0][1].conversation_id
        assert recorded["answers"] == {"name": "Vera", "orders": 3, "agree": True, "about": ["a", "b"]}
        assert (recorded["placement"], recorded["survey_version"]) == ("pre-chat", 4)
        assert recorded["occasion_id"] == recorded["conversation_id"]

    def test_an_answer_of_a_minor_opens_nothing(self, client, visitor):
        client.here.surveys.refusal = RemoteProblem(409, {"code": "minor", "detail": "For adults."})
        body = opening(client, answers={"age": 12})
        a_problem(client.post("/api/v1/widget/conversations", json=body, headers=visitor), 409, "minor")
        assert client.here.bus.sent == []

    def test_answers_that_do_not_fit_are_refused_and_nothing_is_opened(self, client, visitor):
        errors = [{"field": "answers.name", "detail": "This question needs an answer."}]
        client.here.surveys.refusal = RemoteProblem(422, {"code": "invalid", "detail": "No.", "errors": errors})
        body = opening(client, answers={"name": ""})
        problem = a_problem(client.post("/api/v1/widget/conversations", json=body, headers=visitor), 422, "invalid")
        assert problem["errors"] == errors
        assert client.here.bus.sent == []

    def test_a_survey_that_is_left_out_is_asked_about_too(self, client, visitor):
        client.here.surveys.surveys["site-1", "pre-chat"] = {"questions": [{"question_id": "name"}]}
        client.post("/api/v1/widget/conversations", json=opening(client), headers=visitor)
        assert client.here.surveys.recorded[0]["answers"] == {}

    @pytest.mark.parametrize(
        "field", [{"answers": {"q": {"$ne": 1}}}, {"answers": []}, {"text": ""}, {"text": 7}, {"department": {}}]
    )
    def test_odd_fields_are_refused(self, client, visitor, field):
        body = opening(client) | field
        a_problem(client.post("/api/v1/widget/conversations", json=body, headers=visitor), 422, "invalid")

    def test_without_an_answer_in_time_it_says_where_to_look(self, client, visitor):
        client.here.bus.answer = None
        answer = client.post("/api/v1/widget/conversations", json=opening(client), headers=visitor)
        assert answer.status_code == 202
        conversation_id = client.here.bus.sent[0][1].conversation_id
        assert answer.json["status_url"] == f"/api/v1/widget/conversations/{conversation_id}"
        assert client.here.openings.is_under_way(conversation_id, "visitor-1")

    def test_a_version_that_took_effect_a_moment_ago_is_asked_for_before_one_is_refused(self, client, visitor):
        client.here.policy.in_force = "4"
        body = opening(client, acknowledged_policy_version="4")
        assert client.post("/api/v1/widget/conversations", json=body, headers=visitor).status_code == 201


class TestAcknowledging:
    PATH = "/api/v1/widget/conversations/c-1/acknowledgements"

    @pytest.fixture(autouse=True)
    def _conversation(self, client):
        client.here.chat.add_conversation("c-1")
        client.here.chat.add_conversation("c-2", visitor_id="visitor-2")

    def test_of_another_visitors_conversation_nothing_is_told(self, client, visitor):
        for foreign in ("c-2", "c-3"):
            for version in ("3", "2"):
                path = self.PATH.replace("c-1", foreign)
                a_problem(client.post(path, json={"policy_version": version}, headers=visitor), 404, "not-found")
        assert client.here.bus.sent == []

    def test_it_goes_through_the_conversations_partition_in_the_visitors_name(self, client, visitor):
        client.here.bus.answer = lambda command: acknowledged(caused_by=command.command_id)
        answer = client.post(self.PATH, json={"policy_version": "3"}, headers=visitor)
        assert (answer.status_code, answer.json["policy_version"]) == (201, "3")
        [(_, command)] = client.here.bus.sent
        assert isinstance(command, AcknowledgePolicy)
        assert (command.customer_id, command.visitor_id, command.version) == ("customer-1", "visitor-1", "3")

    @pytest.mark.parametrize("version", ["2", "4", "x"])
    def test_only_the_version_in_force_can_be(self, client, visitor, version):
        answer = client.post(self.PATH, json={"policy_version": version}, headers=visitor)
        assert a_problem(answer, 409, "policy-not-acknowledged")["policy_version"] == "3"
        assert client.here.bus.sent == []

    def test_a_message_says_which_version_it_needs_and_one_of_an_operator_needs_none(self, client, visitor, operator):
        client.here.bus.answer = lambda command: posted(client_id=command.client_id, caused_by=command.command_id)
        said = {"client_id": "x", "text": "hi"}
        client.post("/api/v1/widget/conversations/c-1/messages", json=said, headers=visitor)
        client.post("/api/v1/conversations/c-1/messages", json=said, headers=operator)
        assert [command.policy_version for _, command in client.here.bus.sent] == ["3", None]

    def test_a_refused_message_is_told_which_version_to_acknowledge(self, client, visitor):
        client.here.bus.answer = lambda command: rejected("policy-not-acknowledged", caused_by=command.command_id)
        answer = client.post(
            "/api/v1/widget/conversations/c-1/messages", json={"client_id": "x", "text": "hi"}, headers=visitor
        )
        assert a_problem(answer, 409, "policy-not-acknowledged")["policy_version"] == "3"


class TestMessages:
    PATH = "/api/v1/widget/conversations/c-1/messages"

    def test_a_message_is_sent_once_it_is_stored(self, client, visitor):
        client.here.bus.answer = lambda command: posted(4, caused_by=command.command_id)
        answer = client.post(self.PATH, json={"client_id": "i", "text": "hi"}, headers=visitor)
        assert (answer.status_code, answer.json["seq"], answer.json["message_id"]) == (201, 4, "m-4")
        [(_, command)] = client.here.bus.sent
        assert isinstance(command, PostMessage)
        assert (command.sender.kind, command.sender.id, command.client_id) == ("visitor", "visitor-1", "i")

    @pytest.mark.parametrize(
        ("code", "status", "told"),
        [("not-found", 404, "not-found"), ("not-open", 409, "not-open"), ("not-a-party", 404, "not-found")],
    )
    def test_what_chat_refuses_is_a_problem(self, client, visitor, code, status, told):
        client.here.bus.answer = lambda command: rejected(code, caused_by=command.command_id)
        answer = client.post(self.PATH, json={"client_id": "i", "text": "hi"}, headers=visitor)
        a_problem(answer, status, told)

    def test_a_foreign_and_an_unknown_conversation_cannot_be_told_apart(self, client, visitor):
        bodies = []
        for code in ("not-found", "not-a-party"):
            client.here.bus.answer = lambda command, code=code: rejected(code, caused_by=command.command_id)
            answer = client.post(self.PATH, json={"client_id": "i", "text": "hi"}, headers=visitor)
            bodies.append({name: value for name, value in answer.json.items() if name != "request_id"})
        assert bodies[0] == bodies[1]

    def test_what_is_not_confirmed_in_time_is_accepted_for_now(self, client, visitor):
        answer = client.post(self.PATH, json={"client_id": "i", "text": "hi"}, headers=visitor)
        assert answer.status_code == 202
        assert answer.headers["Location"] == answer.json["status_url"] == self.PATH

    def test_a_bus_that_takes_nothing_is_a_503_with_a_time_to_come_back(self, client, visitor):
        client.here.bus.failure = Overloaded("full")
        answer = client.post(self.PATH, json={"client_id": "i", "text": "hi"}, headers=visitor)
        a_problem(answer, 503, "unavailable")
        assert answer.headers["Retry-After"]

    def test_a_flood_has_to_wait(self, make_client):
        client = make_client(messages_per_second=1, message_burst=2)
        client.here.chat.add_visitor("visitor-token")
        client.here.bus.answer = lambda command: posted(1, caused_by=command.command_id)
        headers = {"Authorization": "Bearer visitor-token"}
        statuses = [
            client.post(self.PATH, json={"client_id": "i", "text": "hi"}, headers=headers).status_code for _ in range(3)
        ]
        assert statuses == [201, 201, 429]

    @pytest.mark.parametrize(
        "body",
        [
            {"client_id": "i"},
            {"client_id": "i", "text": ""},
            {"client_id": "i", "text": "x" * 4001},
            {"client_id": "i", "text": "a\0b"},
            {"client_id": "i", "text": {"$ne": 1}},
            {"client_id": {"$ne": 1}, "text": "x"},
            {"client_id": "with space", "text": "x"},
            {"client_id": "i\n", "text": "x"},
            {"client_id": "i", "text": "x", "sender": "operator"},
        ],
    )
    def test_odd_messages_are_refused_and_not_repeated_to_the_sender(self, client, visitor, body):
        a_problem(client.post(self.PATH, json=body, headers=visitor), 422, "invalid")
        assert client.here.bus.sent == []

    def test_a_megabyte_is_too_much(self, client, visitor):
        answer = client.post(self.PATH, json={"client_id": "i", "text": "x" * 1_000_000}, headers=visitor)
        a_problem(answer, 413, "too-large")

    def test_history_comes_in_order_from_where_the_client_is(self, client, visitor):
        client.here.chat.add_conversation(said=5)
        answer = client.get(f"{self.PATH}?after=3", headers=visitor)
        assert [message["seq"] for message in answer.json["messages"]] == [4, 5]
        assert (answer.json["last_seq"], answer.json["status"]) == (5, "queued")

    def test_a_poll_waits_for_news_and_no_longer(self, client, visitor):
        client.here.chat.add_conversation(said=1)
        answer = client.get(f"{self.PATH}?after=1&wait=0.1", headers=visitor)
        assert answer.json == {"messages": [], "last_seq": 1, "status": "queued"}
        assert client.here.chat.asked_after == [1, 1]

    def test_a_poll_on_a_closed_conversation_does_not_wait(self, client, visitor):
        client.here.chat.add_conversation(said=1, status="closed")
        assert client.get(f"{self.PATH}?after=1&wait=25", headers=visitor).json["status"] == "closed"

    def test_a_poll_ends_at_once_while_the_process_drains(self, client, visitor):
        client.here.chat.add_conversation(said=1)
        client.here.fanout.stop_waiting()
        assert client.get(f"{self.PATH}?after=1&wait=25", headers=visitor).status_code == 200

    def test_the_words_of_a_sealed_conversation_come_from_its_transcript(self, client, visitor):
        client.here.chat.add_conversation(said=1, is_sealed=True, status="closed")
        client.here.transcripts.add("c-1")
        assert len(client.get(self.PATH, headers=visitor).json["messages"]) == 1

    def test_another_visitor_s_conversation_is_not_found(self, client, visitor):
        client.here.chat.add_conversation(visitor_id="visitor-2")
        for path in (self.PATH, f"{self.PATH}?wait=5", "/api/v1/widget/conversations/c-1"):
            a_problem(client.get(path, headers=visitor), 404, "not-found")

    @pytest.mark.parametrize("query", ["after=-1", "after=x", "wait=26", "wait=-1", "limit=0", "limit=201", "x=1"])
    def test_odd_queries_are_refused(self, client, visitor, query):
        a_problem(client.get(f"{self.PATH}?{query}", headers=visitor), 422, "invalid")


def test_the_visitor_closes_the_conversation(client, visitor):
    client.here.bus.answer = lambda command: closed(3, caused_by=command.command_id)
    answer = client.post("/api/v1/widget/conversations/c-1/close", headers=visitor)
    assert (answer.status_code, answer.json["status"], answer.json["last_seq"]) == (200, "closed", 3)
    [(_, command)] = client.here.bus.sent
    assert isinstance(command, CloseConversation)
    assert command.closed_by.kind == "visitor"


def test_a_ticket_says_who_the_visitor_is(client, visitor):
    answer = client.post("/api/v1/widget/tickets", headers=visitor)
    assert answer.status_code == 201
    caller = client.here.tickets.read(answer.json["ticket"])
    assert (caller.role, caller.customer_id, caller.subject) == ("visitor", "customer-1", "visitor-1")


def test_a_list_holds_the_visitor_s_own_conversations_only(client, visitor):
    client.here.chat.add_conversation("mine")
    client.here.chat.add_conversation("other", visitor_id="visitor-2")
    answer = client.get("/api/v1/widget/conversations", headers=visitor)
    assert [one["conversation_id"] for one in answer.json["conversations"]] == ["mine"]


class TestAfterwards:
    PATH = "/api/v1/widget/conversations/c-1/responses"

    def test_a_closed_conversation_is_answered_for_by_its_visitor(self, client, visitor):
        client.here.chat.add_conversation("c-1", status="closed")
        answer = client.post(self.PATH, json={"answers": {"rating": 5}, "survey_version": 2}, headers=visitor)
        assert (answer.status_code, answer.json["response_id"]) == (201, "response-1")
        [recorded] = client.here.surveys.recorded
        assert (recorded["placement"], recorded["conversation_id"]) == ("post-chat", "c-1")
        assert (recorded["site_id"], recorded["occasion_id"]) == ("site-1", "c-1")

    def test_nothing_answered_is_nothing_kept(self, client, visitor):
        client.here.chat.add_conversation("c-1", status="closed")
        assert client.post(self.PATH, json={"answers": {}}, headers=visitor).status_code == 204

    @pytest.mark.parametrize("status", ["queued", "active"])
    def test_a_conversation_that_goes_on_is_not_answered_for_yet(self, client, visitor, status):
        client.here.chat.add_conversation("c-1", status=status)
        a_problem(client.post(self.PATH, json={"answers": {"rating": 5}}, headers=visitor), 409, "not-closed")
        assert client.here.surveys.recorded == []

    def test_another_visitor_s_conversation_is_not_found(self, client, visitor):
        client.here.chat.add_conversation("c-1", status="closed", visitor_id="visitor-2")
        a_problem(client.post(self.PATH, json={"answers": {"rating": 5}}, headers=visitor), 404, "not-found")
        assert client.here.surveys.recorded == []


class TestOffline:
    PATH = "/api/v1/widget/offline-responses"
    BODY = {"client_id": "form-1", "acknowledged_policy_version": "3", "answers": {"message": "Call me."}}

    def test_what_is_left_goes_to_surveys_once_for_each_form(self, client, visitor):
        assert client.post(self.PATH, json=self.BODY, headers=visitor).status_code == 201
        [recorded] = client.here.surveys.recorded
        assert (recorded["placement"], recorded["site_id"]) == ("offline", "site-1")
        assert (recorded["occasion_id"], recorded["acknowledged_policy_version"]) == ("visitor-1.form-1", "3")
        assert "conversation_id" not in recorded

    def test_the_policy_in_force_has_to_be_acknowledged(self, client, visitor):
        body = self.BODY | {"acknowledged_policy_version": "2"}
        a_problem(client.post(self.PATH, json=body, headers=visitor), 409, "policy-not-acknowledged")
        assert client.here.surveys.recorded == []

    def test_only_a_visitor_leaves_answers(self, client):
        a_problem(client.post(self.PATH, json=self.BODY), 401, "not-authenticated")

    @pytest.mark.parametrize(
        "change", [{"client_id": "a b"}, {"answers": {"q": {"$ne": 1}}}, {"answers": None}, {"x": 1}]
    )
    def test_odd_fields_are_refused(self, client, visitor, change):
        a_problem(client.post(self.PATH, json=self.BODY | change, headers=visitor), 422, "invalid")
