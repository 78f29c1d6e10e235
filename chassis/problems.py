"""Problems: what a caller is told when it cannot have what it asked for (RFC 9457).

``Problem`` is raised by whoever knows the status; ``Unavailable`` by whoever talks to something
that is not there just now. ``chassis.web`` renders both.

    Exception
    ├── Problem               a status, a code for programs, a sentence for people
    └── Unavailable           503, with Retry-After
        ├── StoreUnavailable    (chassis.mongo)
        └── ServiceUnavailable  (chassis.http)
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """A request that cannot be served; ``code`` is for programs, ``detail`` for people, ``members`` for both."""

    def __init__(
        self, status: int, code: str, detail: str = "", *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def document(self, request_id: str) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "type": f"urn:velaro:problem:{self.code}",
            "title": phrase(self.status),
            "status": self.status,
            "detail": self.detail or phrase(self.status),
            "code": self.code,
            "request_id": request_id,
            **self.members,
        }


class Unavailable(Exception):
    """Something this service depends on does not answer just now; the same request may succeed later."""


def phrase(status: int) -> str:
    """HTTP's own words for a status."""
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"
