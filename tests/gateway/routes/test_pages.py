import json

import pytest

from tests.gateway.fakes import a_site


@pytest.fixture
def built(tmp_path, make_client):
    (tmp_path / ".vite").mkdir()
    (tmp_path / "assets").mkdir()
    manifest = {
        f"src/{name}/main.ts": {"file": f"assets/{name}-1.js", "css": [f"assets/{name}-1.css"]}
        for name in ("widget", "console", "demo")
    }
    (tmp_path / ".vite" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "assets" / "widget-1.js").write_text("1")
    (tmp_path / "loader.js").write_text("2")
    return make_client(web_dist=tmp_path, demo_site_key="key-1")


def policy(response):
    parts = [directive.split() for directive in response.headers["Content-Security-Policy"].split("; ")]
    return {name: values for name, *values in parts}


def test_the_way_in_is_the_console(built):
    assert built.get("/").headers["Location"] == "/console"
    for path in ("/console", "/console/queue/c-1"):
        page = built.get(path)
        assert page.status_code == 200
        assert '<script type="module" src="/static/assets/console-1.js"' in page.text
        assert policy(page)["frame-ancestors"] == ["'none'"]


def test_the_frame_may_be_shown_by_its_site_and_nobody_else(built):
    built.here.accounts.sites_by_key["key-2"] = a_site(
        site_key="key-2", origins=["https://a.example", "http://b.example:8000"]
    )
    page = built.get("/widget/v1/frame?site=key-2")
    assert policy(page)["frame-ancestors"] == ["https://a.example", "http://b.example:8000"]
    assert policy(page)["default-src"] == ["'none'"]
    assert "X-Frame-Options" not in page.headers


@pytest.mark.parametrize(
    "origin", ["*", "https://*", "https://a.example; script-src *", "https://a.example/path", "javascript:", ""]
)
def test_an_origin_that_is_none_frees_nothing(built, origin):
    built.here.accounts.sites_by_key["key-2"] = a_site(site_key="key-2", origins=[origin])
    page = built.get("/widget/v1/frame?site=key-2")
    assert policy(page)["frame-ancestors"] == ["'none'"]
    assert policy(page)["script-src"][0] == "'self'"


def test_scripts_carry_the_nonce_of_the_policy_and_it_is_never_the_same(built):
    first, second = (built.get("/widget/v1/frame?site=key-1") for _ in range(2))
    nonces = [policy(page)["script-src"][1].removeprefix("'nonce-").rstrip("'") for page in (first, second)]
    assert nonces[0] != nonces[1]
    assert f'nonce="{nonces[0]}"' in first.text
    assert "unsafe-inline" not in first.headers["Content-Security-Policy"]


def test_the_frame_of_no_site_is_not_found(built):
    assert built.get("/widget/v1/frame?site=nothing").status_code == 404
    assert built.get("/widget/v1/frame").status_code == 422


def test_the_name_of_a_site_is_text(built):
    built.here.accounts.sites_by_key["key-2"] = a_site(site_key="key-2", name="<script>alert(1)</script>")
    assert "<script>alert" not in built.get("/widget/v1/frame?site=key-2").text


def test_the_loader_may_be_used_by_any_page_and_is_asked_for_again_soon(built):
    with built.get("/widget/v1/loader.js") as loader:
        pass
    assert (loader.status_code, loader.mimetype) == (200, "text/javascript")
    assert loader.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert loader.headers["Cache-Control"] == "public, max-age=300"


def test_files_whose_names_change_with_them_are_kept_for_ever(built):
    with built.get("/static/assets/widget-1.js") as kept:
        pass
    assert (kept.status_code, kept.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")


@pytest.mark.parametrize("path", ["../loader.js", "assets/../../loader.js", ".vite/manifest.json", "assets/none.js"])
def test_no_other_file_is_given_away(built, path):
    assert built.get(f"/static/{path}").status_code == 404


def test_the_demo_is_there_where_it_is_wanted(built, client):
    page = built.get("/demo")
    assert 'src="/widget/v1/loader.js" data-site="key-1"' in page.text
    assert client.get("/demo").status_code == 404


def test_without_a_build_it_says_so(client):
    for path in ("/console", "/widget/v1/loader.js"):
        answer = client.get(path)
        assert (answer.status_code, answer.json["code"]) == (503, "not-built")


def test_every_answer_has_the_headers_that_keep_browsers_safe(built):
    for path in ("/console", "/health", "/nothing", "/api/v1/policy", "/static/none", "/widget/v1/frame?site=key-1"):
        headers = built.get(path).headers
        for name in ("Content-Security-Policy", "Permissions-Policy", "Referrer-Policy"):
            assert headers[name]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers
