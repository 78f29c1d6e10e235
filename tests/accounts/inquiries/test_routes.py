import pytest


@pytest.fixture
def ask(client, edge):
    def asked(email: str):
        body = {"form_id": "form-0001", "email": email, "text": "What do you keep?"}
        return client.post("/internal/v1/inquiries", json=body, headers=edge.as_public())

    return asked


def test_who_asks_gets_the_number_of_their_question(ask):
    assert ask("Vera+shop@post.example").status_code == 201


@pytest.mark.parametrize(
    "email", ["=?idna?b?\x7f?=@1", "=?utf-8?q?vera?=@post.example", "w\u0142@post.example", "..@1", ":@1", "a\x7f@b.c"]
)
def test_an_address_that_no_answer_could_reach_is_refused(ask, email):
    reply = ask(email)

    assert reply.status_code == 422
    assert "e-mail address" in reply.json["errors"][0]["detail"]
