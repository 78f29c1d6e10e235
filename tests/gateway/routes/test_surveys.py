import csv
import io

import pytest

from services.gateway.routes.surveys import harmless

QUESTION = {"question_id": "name", "kind": "text", "label": "Your name?", "is_required": True}
PATH = "/api/v1/sites/site-1/surveys/pre-chat"


@pytest.fixture
def owner(client):
    client.here.accounts.add_operator("owner-token", kind="token", role="owner")
    return {"Authorization": "Bearer owner-token"}


@pytest.mark.parametrize("placement", ["pre-chat", "post-chat", "offline"])
def test_an_owner_publishes_a_survey_and_operators_read_it(client, operator, owner, placement):
    path = PATH.replace("pre-chat", placement)
    assert client.get(path, headers=operator).status_code == 404
    published = client.put(path, json={"questions": [QUESTION]}, headers=owner)
    assert (published.status_code, published.json["version"]) == (200, 2)
    assert client.get(path, headers=operator).json["questions"] == [QUESTION]
    assert client.get(f"{path}/versions", headers=operator).json["versions"][0]["version"] == 2
    assert client.get(f"{path}/versions/2", headers=operator).json["questions"] == [QUESTION]
    assert client.get(f"{path}/versions/{10**30}", headers=operator).status_code == 404


def test_a_draft_is_kept_for_those_who_may_change_surveys(client, operator, owner):
    draft = f"{PATH}/draft"
    assert client.put(draft, json={"questions": [QUESTION]}, headers=operator).status_code == 403
    assert client.put(draft, json={"questions": [QUESTION]}, headers=owner).status_code == 200
    assert client.get(draft, headers=operator).json["questions"] == [QUESTION]
    assert client.delete(draft, headers=operator).status_code == 403
    assert client.delete(draft, headers=owner).status_code == 204
    assert client.get(draft, headers=operator).status_code == 404


def test_operators_do_not_publish_surveys(client, operator):
    assert client.put(PATH, json={"questions": [QUESTION]}, headers=operator).status_code == 403


READS = ["", "/versions", "/versions/2", "/draft", "/responses", "/report", "/responses.csv"]


@pytest.mark.parametrize("path", [PATH.replace("site-1", "foreign"), PATH.replace("pre-chat", "in-chat")])
def test_there_is_nothing_for_somebody_else_s_site_or_an_unknown_place(client, owner, path):
    assert [client.get(path + end, headers=owner).status_code for end in READS] == [404] * len(READS)
    for end in ("", "/draft"):
        assert client.put(path + end, json={"questions": [QUESTION]}, headers=owner).status_code == 404
    assert client.delete(f"{path}/draft", headers=owner).status_code == 404
    assert client.here.surveys.surveys == client.here.surveys.drafts == {}


@pytest.mark.parametrize(
    "questions", [{"$ne": 1}, [{}], [QUESTION | {"kind": "file"}], [QUESTION | {"label": {"$ne": 1}}], ["x"]]
)
def test_odd_questions_are_refused(client, owner, questions):
    assert client.put(PATH, json={"questions": questions}, headers=owner).status_code == 422


@pytest.mark.parametrize("end", ["/responses", "/report", "/responses.csv"])
@pytest.mark.parametrize("query", ["?from=yesterday", "?to=2026-01-01", "?from=2026-01-01T00:00:00", "?since=x"])
def test_a_period_is_given_in_whole_times(client, owner, end, query):
    assert client.get(PATH + end + query, headers=owner).status_code == 422


def test_a_period_is_passed_on(client, owner):
    period = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00+01:00"}
    assert client.get(f"{PATH}/report", query_string=period, headers=owner).status_code == 200
    asked = client.here.surveys.asked[-1]
    assert asked == {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00+01:00"}


def a_response(number, **answers):
    return {
        "response_id": f"r-{number}",
        "survey_id": "survey-1",
        "survey_version": 1,
        "site_id": "site-1",
        "conversation_id": f"c-{number}",
        "placement": "pre-chat",
        "answers": [
            {"question_id": key, "label": f"Question {key}", "kind": "text", "value": value}
            for key, value in answers.items()
        ],
        "answered_at": "2026-01-01T00:00:00Z",
    }


def test_all_responses_come_as_a_table_page_by_page(client, owner):
    client.here.surveys.answered = [a_response(number, q=f"answer {number}") for number in range(450)]
    client.here.surveys.answered[7] = a_response(7, other='says "hello, you"')
    answer = client.get(f"{PATH}/responses.csv", headers=owner)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    header, *rows = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert header == ["Answered at", "Version", "Conversation", "Question q", "Question other"]
    assert len(rows) == 450
    assert rows[449] == ["2026-01-01T00:00:00Z", "1", "c-449", "answer 449", ""]
    assert rows[7][3:] == ["", 'says "hello, you"']
    assert [asked.get("limit") for asked in client.here.surveys.asked] == [None, 200, 200, 200]


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "|calc",
        "%0A",
        "=cmd|' /C calc'!A0",
        "-",
        "+49 30 1",
    ],
)
def test_nothing_in_the_table_is_run_as_a_formula(cell):
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "words", "3", "-3", "+4.5", "a=b", "ada@example.com", "2026-01-01"])
def test_what_is_no_formula_stays_as_it_is(cell):
    assert harmless(cell) == cell


class TestForStaff:
    PATH = "/api/v1/staff/survey-report"

    def test_every_role_of_staff_sees_what_is_said_of_our_service(self, client):
        client.here.staff.add("staff-secret", "staff-support")
        client.set_cookie(client.here.settings.staff_cookie, "staff-secret")
        assert client.get(self.PATH).json == {"months": [{"month": "2026-03", "topic": "speed", "ratings": {"5": 20}}]}

    def test_nobody_else_does(self, client, operator, owner, visitor):
        for headers in (operator, owner, visitor, {}):
            assert client.get(self.PATH, headers=headers).status_code == 401
