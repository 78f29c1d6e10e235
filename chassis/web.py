"""The application factory of every service, and the base classes of what its HTTP bodies look like."""

import inspect
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import structlog
from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Request, Response, current_app, g, request
from flask.json.provider import JSONProvider
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from werkzeug.exceptions import HTTPException

from chassis import correlation, problems
from chassis.problems import Problem, Unavailable

log = structlog.get_logger(__name__)

MAX_BODY = 64 * 1024
RETRY_AFTER_SECONDS = 2
UNGUARDED = frozenset({"chassis.health", "chassis.ready", "chassis.metrics", "openapi.spec"})
"""The endpoints that anybody may ask, so that a machine can watch and a person can read."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_requests = Counter("velaro_http_requests", "Requests answered.", ("service", "method", "route", "status"))
_seconds = Histogram("velaro_http_request_seconds", "Time to answer.", ("service", "method", "route"))

Check = Callable[[], object]
Problems = Mapping[type[Exception], tuple[int, str]]


class Body(BaseModel):
    """A request body: unknown fields and near-miss types are refused, so no object can pose as a string."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Query(BaseModel):
    """A query string: unknown names are refused; values are text, so numbers are read from it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Reply(BaseModel):
    """A reply; it can be made from model objects, and says what the OpenAPI document says."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def _only_text(value: object) -> object:
    if isinstance(value, str | datetime):
        return value
    raise ValueError("must be an RFC 3339 time")


def _as_kept(moment: datetime) -> datetime:
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


Timestamp = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_only_text), AfterValidator(_as_kept)]
"""A time in a ``Body``: RFC 3339 text with an offset, never a number; in UTC and milliseconds once it is read."""


PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def service_app(
    name: str,
    *,
    title: str,
    readiness: Mapping[str, Check],
    problems: Problems,
    version: str = "1.0.0",
    spec_path: str = "/openapi.json",
) -> APIFlask:
    """An application with ids, problems, health, metrics and safe headers; the caller adds its blueprints.

    ``readiness`` are checks that raise when something needed is not there; ``problems`` says which
    status and code each domain error becomes (its first docstring line is the detail, its ``members``,
    if any, join the document).
    """
    app = APIFlask(name, title=title, version=version, spec_path=spec_path, docs_path=None, json_errors=False)
    app.request_class = _JSONRequest
    app.json = _Json(app)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        AUTO_SERVERS=False,
        HTTP_ERROR_SCHEMA=PROBLEM_SCHEMA,
        VALIDATION_ERROR_SCHEMA=PROBLEM_SCHEMA,
    )
    app.extensions["velaro_service"] = name
    _follow_requests(app)
    _register_problems(app, problems)
    _register_operations(app, readiness)
    app.spec_processor(_with_problem_type)
    return app


class _JSONRequest(Request):
    """A request whose JSON is declared as such, is valid, and is UTF-8."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        if not self.is_json:
            raise Problem(415, "unsupported-media-type", "The body must be application/json.")
        return super().get_json(force=force, silent=False, cache=cache)

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        raise Problem(400, "malformed", "The body is not valid JSON in UTF-8.") from e


class _Json(JSONProvider):
    """msgspec in place of the standard library: it refuses NaN, other encodings and halves of characters."""

    def dumps(self, obj: Any, **_: Any) -> str:
        return msgspec.json.encode(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        try:
            return msgspec.json.decode(s)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise ValueError("not JSON") from error


def _follow_requests(app: APIFlask) -> None:
    app.before_request(_begin)
    app.after_request(_finish)
    app.teardown_request(_forget)


def _begin() -> None:
    g.started = time.perf_counter()
    g.correlation = correlation.bound(request.headers.get(correlation.HEADER))
    g.correlation.__enter__()


def _finish(response: Response) -> Response:
    for header, value in HEADERS.items():
        response.headers.setdefault(header, value)
    response.headers[correlation.HEADER] = correlation.current()
    _record(response)
    return response


def _record(response: Response) -> None:
    service = current_app.extensions["velaro_service"]
    route = request.url_rule.rule if request.url_rule else "unmatched"
    # A client may make up methods, and each would be kept for ever.
    method = request.method if request.method in METHODS else "other"
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    _requests.labels(service, method, route, response.status_code).inc()
    _seconds.labels(service, method, route).observe(seconds)
    if request.endpoint not in UNGUARDED:
        log.info(
            "request answered",
            method=method,
            route=route,
            status=response.status_code,
            milliseconds=round(seconds * 1000, 1),
        )


def _forget(_error: BaseException | None) -> None:
    binding: AbstractContextManager[str] | None = g.pop("correlation", None)
    if binding:
        binding.__exit__(None, None, None)


def _register_problems(app: APIFlask, table: Problems) -> None:
    app.register_error_handler(Problem, _render)
    app.register_error_handler(Unavailable, _render_unavailable)
    app.register_error_handler(HTTPError, _render_invalid)
    app.register_error_handler(HTTPException, _render_http)
    app.register_error_handler(Exception, _render_surprise)
    for error, (status, code) in table.items():
        app.register_error_handler(error, _domain_handler(status, code))


def _render(problem: Problem) -> Response:
    document = problem.document(correlation.current())
    body = current_app.json.dumps(document)
    return Response(body, problem.status, problem.headers, content_type=problems.CONTENT_TYPE)


def _domain_handler(status: int, code: str) -> Callable[[Exception], Response]:
    def handle(error: Exception) -> Response:
        members = getattr(error, "members", {})
        detail = (inspect.getdoc(type(error)) or "").partition("\n")[0]
        log.info("request refused", code=code, condition=type(error).__name__)
        return _render(Problem(status, code, detail, **members))

    return handle


def _render_unavailable(error: Unavailable) -> Response:
    log.warning("dependency unavailable", reason=type(error).__name__, cause=type(error.__cause__).__name__)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return _render(Problem(503, "unavailable", "Please try again in a moment.", headers=headers))


def _render_invalid(error: HTTPError) -> Response:
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return _render(Problem(error.status_code, _slug(error.status_code)))
    errors = [
        {"field": _field(problem["loc"]), "detail": _sentence(problem["type"], problem["msg"])}
        for problem in cause.errors(include_input=False, include_url=False, include_context=False)
    ]
    return _render(Problem(422, "invalid", "Some fields are missing or not acceptable.", errors=errors))


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)[:200]


def _sentence(kind: str, message: str) -> str:
    # pydantic repeats what was sent in a few of its messages; a problem document must not.
    if kind in {"union_tag_invalid", "value_error", "assertion_error"}:
        return {"union_tag_invalid": "Input is of no known kind"}.get(kind, message.partition(", ")[2] or message)
    return message


def _render_http(error: HTTPException) -> Response | HTTPException:
    status = error.code or 500
    if status < 400:
        return error
    kept = {name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After"}}
    return _render(Problem(status, _slug(status), headers=kept))


def _slug(status: int) -> str:
    known = {400: "malformed", 401: "not-authenticated", 413: "too-large", 500: "internal"}
    return known.get(status) or problems.phrase(status).lower().replace(" ", "-")


def _render_surprise(error: Exception) -> Response:
    log.error("request failed", exc_info=error)
    return _render(Problem(500, "internal", "Something went wrong on our side."))


def _register_operations(app: APIFlask, readiness: Mapping[str, Check]) -> None:
    def ready() -> Any:
        failing = sorted(name for name, check in readiness.items() if not _passes(name, check))
        if failing:
            raise Problem(503, "not-ready", "Not ready: " + ", ".join(failing) + ".", failing=failing)
        return {"status": "ready"}

    for path, endpoint, view in (
        ("/health", "health", _health),
        ("/ready", "ready", ready),
        ("/metrics", "metrics", _metrics),
    ):
        app.add_url_rule(path, f"chassis.{endpoint}", app.doc(hide=True)(view))


def _health() -> dict[str, str]:
    return {"status": "alive"}


def _passes(name: str, check: Check) -> bool:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever a dependency raises, the answer is the same: not ready
        log.warning("not ready", check=name, reason=type(error).__name__)
        return False
    return True


def _metrics() -> Response:
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):  # noqa: TID251 - set by chassis.serving
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _with_problem_type(spec: Any) -> Any:
    for operations in spec.get("paths", {}).values():
        for operation in operations.values():
            for status, response in operation.get("responses", {}).items() if isinstance(operation, dict) else ():
                if str(status)[0] in "45" and "application/json" in response.get("content", {}):
                    response["content"] = {problems.CONTENT_TYPE: response["content"]["application/json"]}
    return spec
