from chassis.problems import Problem, phrase


def test_a_problem_is_told_as_rfc_9457_says():
    problem = Problem(409, "not-open", "The shop is closed.", opens_at="08:00")

    assert problem.document("req-1") == {
        "type": "urn:velaro:problem:not-open",
        "title": "Conflict",
        "status": 409,
        "detail": "The shop is closed.",
        "code": "not-open",
        "request_id": "req-1",
        "opens_at": "08:00",
    }


def test_a_problem_without_a_sentence_says_what_http_says():
    assert Problem(404, "not-found").document("")["detail"] == "Not Found"


def test_an_unknown_status_still_has_a_title():
    assert phrase(499) == "Error"
