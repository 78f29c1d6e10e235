import pytest

QUESTION = {"question_id": "name", "kind": "text", "label": "Your name?", "is_required": True}
PATH = "/api/v1/sites/site-1/surveys/pre-chat"


@pytest.fixture
def owner(client):
    client.here.accounts.add_operator("owner-token", kind="token", role="owner")
    return {"Authorization": "Bearer owner-token"}


def test_operators_see_their_customer_s_sites(client, operator):
    assert [site["site_key"] for site in client.get("/api/v1/sites", headers=operator).json["sites"]] == ["key-1"]


def test_an_owner_publishes_a_survey_and_operators_read_it(client, operator, owner):
    assert client.get(PATH, headers=operator).status_code == 404
    published = client.put(PATH, json={"questions": [QUESTION]}, headers=owner)
    assert (published.status_code, published.json["version"]) == (200, 2)
    assert client.get(PATH, headers=operator).json["questions"] == [QUESTION]


def test_operators_do_not_publish_surveys(client, operator):
    assert client.put(PATH, json={"questions": [QUESTION]}, headers=operator).status_code == 403


def test_there_is_no_survey_for_somebody_else_s_site(client, owner):
    path = PATH.replace("site-1", "foreign")
    assert client.put(path, json={"questions": [QUESTION]}, headers=owner).status_code == 404
    assert client.here.surveys.surveys == {}


@pytest.mark.parametrize(
    "questions", [{"$ne": 1}, [{}], [QUESTION | {"kind": "file"}], [QUESTION | {"label": {"$ne": 1}}], ["x"]]
)
def test_odd_questions_are_refused(client, owner, questions):
    assert client.put(PATH, json={"questions": questions}, headers=owner).status_code == 422
