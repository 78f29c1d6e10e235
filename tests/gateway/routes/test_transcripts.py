import pytest

PATH = "/api/v1/transcripts"


@pytest.fixture(autouse=True)
def _transcripts(client):
    client.here.transcripts.add("t-1")
    client.here.transcripts.add("foreign", customer_id="customer-2")


def test_the_list_is_the_customer_s_own_and_is_searched_as_asked(client, operator):
    answer = client.get(f"{PATH}?q=hello&from=2026-01-01T00:00:00Z&limit=5", headers=operator)
    assert [one["transcript_id"] for one in answer.json["transcripts"]] == ["t-1"]
    [asked] = client.here.transcripts.asked
    assert (asked["q"], asked["from"], asked["limit"]) == ("hello", "2026-01-01T00:00:00Z", 5)


def test_a_transcript_is_shown_with_what_was_captured(client, operator):
    shown = client.get(f"{PATH}/t-1", headers=operator).json
    assert shown["captured"]["browser"] == "Firefox"
    assert shown["messages"][0]["seq"] == 1


def test_a_foreign_transcript_is_not_found_in_any_form(client, operator):
    for form in ("", ".json", ".txt", ".html", ".pdf"):
        assert client.get(f"{PATH}/foreign{form}", headers=operator).status_code == 404


def test_exports_are_files_in_which_nothing_runs(client, operator):
    page = client.get(f"{PATH}/t-1.html", headers=operator)
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert page.headers["Content-Disposition"].startswith("attachment")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    text = client.get(f"{PATH}/t-1.txt", headers=operator)
    assert "<script>alert(1)</script>" in text.text
    assert text.content_type == "text/plain; charset=utf-8"
    assert client.get(f"{PATH}/t-1.json", headers=operator).json["transcript_id"] == "t-1"


def test_forms_that_do_not_exist_are_not_found(client, operator):
    for form in ("pdf", "exe", "JSON"):
        answer = client.get(f"{PATH}/t-1.{form}", headers=operator)
        assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize("query", ["q[$ne]=1", "limit=0", "limit=x", "unknown=1"])
def test_odd_queries_are_refused(client, operator, query):
    assert client.get(f"{PATH}?{query}", headers=operator).status_code == 422
