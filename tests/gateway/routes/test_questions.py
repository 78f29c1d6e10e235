import json

import pytest

from chassis.http import RemoteProblem, ServiceUnavailable
from services.gateway.clients import Confirmation

OURS = {"Sec-Fetch-Site": "same-origin"}
FORM = {"form_id": "form-0001", "email": "vera@post.example", "subject": "S", "text": "T", "wish": "question"}
TOKEN = "t" * 43


def test_the_form_has_an_id_of_its_own_and_no_script(client):
    pages = [client.get("/privacy/questions") for _ in range(2)]

    assert pages[0].data != pages[1].data
    assert b"<script" not in pages[0].data
    policy = pages[0].headers["Content-Security-Policy"]
    assert "form-action 'self'" in policy
    assert "default-src 'none'" in policy


def test_what_was_sent_is_asked_and_its_number_shown(client):
    answer = client.post("/privacy/questions", data=FORM, headers=OURS)

    assert answer.status_code == 200
    assert b"1001" in answer.data
    assert client.here.inquiries.asked == [FORM]


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}])
def test_from_elsewhere_it_is_refused(client, headers):
    assert client.post("/privacy/questions", data=FORM, headers=headers).status_code == 403
    assert client.post(f"/privacy/confirm/{TOKEN}", headers=headers).status_code == 403
    assert client.here.inquiries.asked == []


@pytest.mark.parametrize("wrong", [{"text": " "}, {"wish": "gold"}, {"wish": "copy"}])
def test_what_is_missing_is_said_and_what_was_written_is_not_lost(client, wrong):
    answer = client.post("/privacy/questions", data=FORM | {"subject": "<b>Kept"} | wrong, headers=OURS)

    assert answer.status_code == 422
    assert b"data-problem" in answer.data
    assert b"&lt;b&gt;Kept" in answer.data
    assert client.here.inquiries.asked == []


def test_too_many_from_one_address_have_to_wait(make_client):
    client = make_client(questions_per_minute=2)
    answers = [client.post("/privacy/questions", data=FORM, headers=OURS).status_code for _ in range(3)]

    assert answers == [200, 200, 429]


def test_only_the_forms_may_send_forms(client):
    assert client.post("/api/v1/sessions", data=FORM, headers=OURS).status_code == 415


def test_to_look_at_a_link_does_nothing_and_to_follow_it_begins_each_erasure(client, visitor):
    client.here.surveys.by_address["vera@post.example"] = ["visitor-1"]
    client.here.inquiries.links[TOKEN] = Confirmation(
        email="vera@post.example", wish="erasure", customer_id="customer-1", site_name="Shop"
    )
    client.get(f"/privacy/confirm/{TOKEN}")
    assert client.here.chat.erasures == {}

    pages = [client.post(f"/privacy/confirm/{TOKEN}", headers=OURS) for _ in range(2)]

    assert all(b'data-outcome="erasure"' in page.data for page in pages)
    assert client.here.inquiries.done == [TOKEN]
    assert len(client.here.chat.erasures) == 1


@pytest.fixture
def mailed(client):
    """Two visitors have given the address to which the link to a copy was mailed."""
    client.here.surveys.by_address["vera@post.example"] = ["visitor-1", "visitor-2"]
    for number in (1, 2):
        client.here.chat.add_conversation(f"c-{number}", visitor_id=f"visitor-{number}", said=1)
    client.here.inquiries.links[TOKEN] = Confirmation(
        email="vera@post.example", wish="copy", customer_id="customer-1", site_name='The "Shop"'
    )
    return client.here


def follow(client):
    return client.post(f"/privacy/confirm/{TOKEN}", headers=OURS)


def test_a_copy_is_of_all_who_gave_the_address_and_is_given_once(client, mailed):
    copy = follow(client)

    assert (copy.json["email"], copy.json["site"]) == ("vera@post.example", 'The "Shop"')
    found = [
        (one["visitor"]["visitor_id"], one["conversations"][0]["conversation_id"]) for one in copy.json["visitors"]
    ]
    assert found == [("visitor-1", "c-1"), ("visitor-2", "c-2")]
    assert "my-data.json" in copy.headers["Content-Disposition"]
    assert mailed.inquiries.done == [TOKEN]
    assert b'data-outcome="done"' in follow(client).data


def test_a_copy_that_was_cut_off_is_no_document_and_does_not_use_up_its_link(client, mailed):
    pieces = follow(client).iter_encoded()
    read = [next(pieces), next(pieces)]
    mailed.chat.failure = ServiceUnavailable("chat")
    with pytest.raises(ServiceUnavailable):
        read.extend(pieces)

    with pytest.raises(json.JSONDecodeError):
        json.loads(b"".join(read))
    assert mailed.inquiries.done == []
    mailed.chat.failure = None
    assert len(follow(client).json["visitors"]) == 2


@pytest.mark.parametrize("erased", [{"visitor-1"}, {"visitor-2"}, {"visitor-1", "visitor-2"}])
def test_a_copy_has_nothing_of_those_who_are_erased(client, mailed, erased):
    own_data = mailed.chat.own_data

    def own_data_unless_erased(caller):
        if caller.subject in erased:
            raise RemoteProblem(404, {"code": "not-found"})
        return own_data(caller)

    mailed.chat.own_data = own_data_unless_erased
    found = {one["visitor"]["visitor_id"] for one in follow(client).json["visitors"]}
    assert found == {"visitor-1", "visitor-2"} - erased


def test_a_link_that_nobody_mailed_is_not_found(client):
    assert client.get(f"/privacy/confirm/{TOKEN}").status_code == 404
    assert client.post(f"/privacy/confirm/{TOKEN}", headers=OURS).status_code == 404
