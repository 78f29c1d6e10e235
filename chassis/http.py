"""Questions to other services: who asks is in the token, how long is limited, what went wrong is named."""

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar

from chassis import correlation
from chassis.auth import Caller, TokenIssuer
from chassis.problems import Unavailable

_POOL_SIZE = 64


class RemoteProblem(Exception):
    """The other service refused (4xx); ``body`` is its problem document."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status, body.get("code", ""))
        self.status = status
        self.body = body

    @property
    def code(self) -> str:
        """What the other service calls the condition."""
        return str(self.body.get("code", ""))


class ServiceUnavailable(Unavailable):
    """The other service did not answer, not in time, or with an error of its own."""


class ServiceClient:
    """One other service. Threads and greenlets may share it."""

    def __init__(self, base_url: str, *, audience: str, issuer: TokenIssuer, timeout: float = 3.0) -> None:
        self._base_url = base_url.rstrip("/")
        self._audience = audience
        self._issuer = issuer
        self._timeout = timeout
        self._session = _session()

    def get(
        self, path: str, *, caller: Caller, params: dict[str, Any] | None = None, timeout: float | None = None
    ) -> Any:
        """Ask; asked once more if the first time brought no answer, since asking changes nothing.

        ``timeout`` is for what takes long to find out, as counting does; that is asked once.
        """
        try:
            return self._request("GET", path, caller=caller, params=params, timeout=timeout)
        except ServiceUnavailable:
            if timeout is not None:
                raise
            return self._request("GET", path, caller=caller, params=params)

    def post(
        self,
        path: str,
        *,
        caller: Caller,
        json: Any = None,
        params: dict[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Create, or act. Not repeated. ``timeout`` is for what is slow on purpose, as checking a password is."""
        return self._request("POST", path, caller=caller, json=json, params=params, timeout=timeout)

    def send(
        self, path: str, content: bytes, *, caller: Caller, params: dict[str, Any] | None = None, timeout: float
    ) -> Any:
        """Create from a file, which goes as it is, and through memory alone. Not repeated."""
        return self._decoded(self._answer("POST", path, caller=caller, content=content, params=params, timeout=timeout))

    def fetch(self, path: str, *, caller: Caller, timeout: float) -> tuple[bytes, str]:
        """A file and its media type. Asked once."""
        response = self._answer("GET", path, caller=caller, timeout=timeout)
        if response.status_code >= 300:
            self._decoded(response)
        return response.content, response.headers.get("Content-Type", "application/octet-stream")

    def put(self, path: str, *, caller: Caller, json: Any = None, params: dict[str, Any] | None = None) -> Any:
        """Replace. Not repeated."""
        return self._request("PUT", path, caller=caller, json=json, params=params)

    def delete(self, path: str, *, caller: Caller, params: dict[str, Any] | None = None) -> Any:
        """Remove. Not repeated."""
        return self._request("DELETE", path, caller=caller, params=params)

    def close(self) -> None:
        """Give back the connections."""
        self._session.close()

    def _request(
        self,
        method: str,
        path: str,
        *,
        caller: Caller,
        json: Any = None,
        params: dict[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        return self._decoded(self._answer(method, path, caller=caller, json=json, params=params, timeout=timeout))

    def _answer(
        self,
        method: str,
        path: str,
        *,
        caller: Caller,
        json: Any = None,
        content: bytes | None = None,
        params: dict[str, Any] | None = None,
        timeout: float | None = None,
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                self._base_url + path,
                json=json,
                data=content,
                params={name: value for name, value in (params or {}).items() if value is not None},
                headers=self._headers(caller, is_file=content is not None),
                timeout=timeout or self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ServiceUnavailable(self._audience) from error

    def _headers(self, caller: Caller, *, is_file: bool) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._issuer.token_for(caller, self._audience)}"}
        if is_file:
            headers["Content-Type"] = "application/octet-stream"
        if correlation.current():
            headers[correlation.HEADER] = correlation.current()
        return headers

    def _decoded(self, response: requests.Response) -> Any:
        if response.status_code >= 500 or 300 <= response.status_code < 400:
            raise ServiceUnavailable(self._audience, response.status_code)
        try:
            body = response.json() if response.content else None
        except ValueError as error:
            raise ServiceUnavailable(self._audience) from error
        if response.status_code >= 400:
            raise RemoteProblem(response.status_code, body if isinstance(body, dict) else {})
        return body


def _session() -> requests.Session:
    session = requests.Session()
    # Proxies and .netrc of the machine would change where requests go and replace our Authorization.
    session.trust_env = False
    session.cookies = _NoCookies()
    adapter = HTTPAdapter(pool_maxsize=_POOL_SIZE, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class _NoCookies(RequestsCookieJar):
    """A shared session must not carry what one caller's answer left behind."""

    def set_cookie(self, cookie: Any, *args: Any, **kwargs: Any) -> None:
        return None
