"""Pages and files for browsers: loader, frame, console, staff desk, policy, demo, and the built assets."""

import secrets
from typing import Any
from urllib.parse import urlsplit

from apiflask import APIBlueprint
from flask import Response, make_response, redirect, render_template, send_from_directory, url_for
from markdown_it import MarkdownIt
from markupsafe import Markup

from services.gateway import cookies
from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.policy import PolicyVersionOut, PolicyVersionsOut
from services.gateway.schemas.widget import SiteQuery

blueprint = APIBlueprint("pages", __name__, template_folder="../templates", enable_openapi=False)

YEAR = "public, max-age=31536000, immutable"
LOADER_CACHED = "public, max-age=300"
HSTS = "max-age=31536000; includeSubDomains"
PERMISSIONS = "browsing-topics=(), camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"


def add_security_headers(response: Response) -> Response:
    """What every answer says; what the views and the chassis have set stays."""
    if context().settings.is_secure:
        response.headers["Strict-Transport-Security"] = HSTS
    response.headers["Permissions-Policy"] = PERMISSIONS
    return response


def set_policy(
    response: Response, *directives: str, framed_by: str = "'none'", form_action: str = "'none'"
) -> Response:
    """Say what the page may load, and who may show it in a frame."""
    always = ("base-uri 'none'", f"form-action {form_action}", "object-src 'none'", f"frame-ancestors {framed_by}")
    response.headers["Content-Security-Policy"] = "; ".join((*directives, *always))
    return response


@blueprint.get("/")
def home() -> Any:
    """The console is what people come for."""
    return redirect("/console")


@blueprint.get("/console", defaults={"view": ""})
@blueprint.get("/console/<path:view>")
def console(view: str) -> Response:
    """The console; what of it is shown, it decides itself from ``view``."""
    return _page("console", title="Velaro")


@blueprint.get("/desk")
def desk() -> Response:
    """The staff desk."""
    return _page("staff", title="Velaro staff")


@blueprint.get("/policy")
@blueprint.get("/policy/<opaque:version>")
def policy(version: str | None = None) -> Response:
    """The privacy policy for everybody, in force or as it is called, with all versions; without any script."""
    here = context()
    versions = PolicyVersionsOut.model_validate(here.policy.versions()).versions
    chosen = version or next(each.version for each in versions if each.state == "in-force")
    shown = PolicyVersionOut.model_validate(here.policy.version(chosen))
    # Markup in the text is shown as it is typed, and an address that is none of the web's is no link.
    text = Markup(MarkdownIt("commonmark", {"html": False}).disable("image").render(shown.text))  # noqa: S704
    return plain_page("policy.html", shown=shown, versions=versions, text=text)


@blueprint.get("/privacy/cookies")
def cookies_there_are() -> Response:
    """Every cookie there is, for everybody; without any script."""
    return plain_page(
        "cookies.html", cookies=cookies.ALL, settings=context().settings, remembered_days=cookies.REMEMBERED.days
    )


def plain_page(template: str, *, form_action: str = "'none'", **values: Any) -> Response:
    """A page of text, which loads nothing."""
    nonce = secrets.token_urlsafe(16)
    page = make_response(render_template(template, nonce=nonce, **values))
    return set_policy(page, "default-src 'none'", f"style-src 'nonce-{nonce}'", form_action=form_action)


@blueprint.get("/demo")
def demo() -> Response:
    """A demo customer's site with the widget on it, where this installation has one."""
    site_key = context().settings.demo_site_key
    if not site_key:
        raise access.not_found()
    return _page("demo", title="Demo", template="demo.html", site_key=site_key, frames="'self'")


@blueprint.get("/widget/v1/frame")
@blueprint.input(SiteQuery, location="query")
def frame(query_data: SiteQuery) -> Response:
    """The chat page; only this site's pages may show it."""
    site = context().accounts.site(query_data.site)
    if site is None:
        raise access.not_found()
    framed_by = " ".join(origin for origin in site.origins if _is_origin(origin)) or "'none'"
    response = _page("widget", title=site.name or "Live support", framed_by=framed_by)
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@blueprint.get("/widget/v1/loader.js")
def loader() -> Response:
    """The script that customers put on their pages."""
    path = context().assets.loader()
    response = send_from_directory(path.parent.absolute(), path.name, mimetype="text/javascript", conditional=True)
    response.headers["Cache-Control"] = LOADER_CACHED
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def static_file(filename: str) -> Response:
    """A file of the build. Its name changes with its content, so it may be kept for ever."""
    folder = context().settings.web_dist.absolute() / "assets"
    response = send_from_directory(folder, filename.removeprefix("assets/"))
    response.headers["Cache-Control"] = YEAR
    return response


def _page(
    name: str,
    *,
    title: str,
    template: str = "page.html",
    framed_by: str = "'none'",
    frames: str = "'none'",
    **values: str,
) -> Response:
    nonce = secrets.token_urlsafe(16)
    built = context().assets.page(name)
    scripts = [url_for("static", filename=path) for path in built.scripts]
    styles = [url_for("static", filename=path) for path in built.styles]
    html = render_template(template, title=title, scripts=scripts, styles=styles, nonce=nonce, **values)
    return set_policy(
        make_response(html),
        "default-src 'none'",
        f"script-src 'self' 'nonce-{nonce}'",
        f"style-src 'self' 'nonce-{nonce}'",
        "img-src 'self' data:",
        "font-src 'self'",
        f"connect-src 'self' {_socket_origin()}",
        f"frame-src {frames}",
        framed_by=framed_by,
    )


def _socket_origin() -> str:
    # Older browsers do not take 'self' to cover our own sockets.
    return context().settings.public_url.replace("http", "ws", 1)


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    is_plain = text == f"{parts.scheme}://{parts.netloc}" and not set(text) & set(" ;,'\"")
    return is_plain and parts.scheme in {"http", "https"} and bool(parts.netloc) and "*" not in text
