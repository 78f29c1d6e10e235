"""Questions to us: a form for everybody, and the link by which somebody proves that an address is theirs.

Pages without any script. What they post is taken from our own pages alone, whatever cookies the browser has.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from apiflask import APIBlueprint
from flask import Response, request

from chassis.auth import Caller
from chassis.http import RemoteProblem
from chassis.ids import new_id
from services.gateway.bootstrap import Context, context
from services.gateway.clients import Confirmation
from services.gateway.routes import access, own_data, pages

blueprint = APIBlueprint("questions", __name__, template_folder="../templates", enable_openapi=False)

WISHES = ("question", "copy", "erasure")
FIELDS = ("form_id", "email", "subject", "text", "wish", "site")
SAYS_NOTHING = "Please write what your question is."


@blueprint.get("/privacy/questions")
def form() -> Response:
    """The form."""
    return _form({"form_id": new_id(), "wish": "question", "site": request.args.get("site", "")[:64]})


@blueprint.post("/privacy/questions")
def ask() -> Response:
    """A form that was sent: it becomes an inquiry, and whoever sent it gets a mail."""
    here = context()
    access.refuse_other_origins(is_silence_fine=False)
    access.limit_address(here.limits.questions)
    given = {name: request.form.get(name, "").strip() for name in FIELDS}
    if request.form.get("website"):
        # A field that nobody sees: whoever fills it in is a machine, and may believe that it was heard.
        return _page("question-asked.html", number=None, wish="question")
    problem = _problem_of(given)
    if problem:
        return _form(given, problem, status=422)
    try:
        number = here.inquiries.ask(_body(given))
    except RemoteProblem as error:
        if error.status != 422:
            raise
        return _form(given, "Please look at the e-mail address, and at how much you have written.", status=422)
    return _page("question-asked.html", number=number, wish=given["wish"])


def _problem_of(given: dict[str, str]) -> str:
    if given["wish"] not in WISHES:
        return "Please choose what you want."
    if given["wish"] == "question":
        return "" if given["text"] else SAYS_NOTHING
    return "" if given["site"] else "Please open this form from the chat of the website in question, under My data."


def _body(given: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {name: given[name] for name in ("form_id", "email", "subject", "text", "wish")}
    return body | ({"site_key": given["site"]} if given["site"] else {})


def _form(given: dict[str, str], problem: str = "", *, status: int = 200) -> Response:
    site = context().accounts.site(given["site"]) if _is_key(given["site"]) else None
    response = _page("questions.html", given=given, site=site, problem=problem)
    response.status_code = status
    return response


def _is_key(text: str) -> bool:
    return bool(text) and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


@blueprint.get("/privacy/confirm/<opaque:token>")
def show_link(token: str) -> Response:
    """What the link is for, or what came of it. To look at it does nothing: programs look at what is in mails."""
    access.limit_address(context().limits.questions)
    return _confirmed(context().inquiries.confirmation(token))


@blueprint.post("/privacy/confirm/<opaque:token>")
def confirm(token: str) -> Response:
    """Do what the link is for, once: give a copy, or begin to erase."""
    here = context()
    access.refuse_other_origins(is_silence_fine=False)
    access.limit_address(here.limits.questions)
    found = here.inquiries.confirmation(token)
    if found is None or found.is_done:
        return _confirmed(found)
    visitors = [_visitor(found, each) for each in here.surveys.visitors_of_address(found.customer_id, found.email)]
    if found.wish == "erasure":
        # Each is begun once however often it is asked, so whoever dies in between may do all of it again.
        erasures = [here.chat.ask_erasure(visitor, "asked")["erasure_id"] for visitor in visitors]
        return _confirmed(here.inquiries.set_done(token, erasures))
    response = own_data.copy_answer(f"link/{token}", _copies(token, found, visitors, here))
    response.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response


def _visitor(found: Confirmation, visitor_id: str) -> Caller:
    return Caller(service="gateway", role="visitor", customer_id=found.customer_id, subject=visitor_id)


def _copies(token: str, found: Confirmation, visitors: list[Caller], here: Context) -> Iterator[str]:
    """One document with the copies of all of them. The link is used up once all of it is on its way."""
    head = msgspec.json.encode({"email": found.email, "site": found.site_name}).decode()
    beginning, is_begun = head.removesuffix("}") + ',"visitors":[', False
    for visitor in visitors:
        copy = own_data.copy_of(visitor, here, indent=2)
        try:
            first = next(copy)
        except RemoteProblem as error:
            # Erased meanwhile, or before: then there is nothing of them.
            if error.status != 404:
                raise
            continue
        yield (",\n" if is_begun else beginning) + first
        is_begun = True
        yield from copy
    yield "]}" if is_begun else beginning + "]}"
    here.inquiries.set_done(token, [])


def _confirmed(found: Confirmation | None) -> Response:
    if found is None:
        response = _page("confirm.html", found=None, erasures=[])
        response.status_code = 404
        return response
    erasures = [context().chat.erasure_known(found.customer_id, each) for each in found.erasures]
    return _page("confirm.html", found=found, erasures=[each for each in erasures if each])


def _page(template: str, **values: Any) -> Response:
    response = pages.plain_page(template, form_action="'self'", **values)
    # Without it browsers would send the form from nowhere. The address of a link stays out of it all the same.
    response.headers["Referrer-Policy"] = "same-origin"
    return response
