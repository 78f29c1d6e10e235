"""A program on the other side of the public HTTP edge."""

from typing import Any

import requests


class Edge:
    """JSON over HTTP with one identity; every answer is returned whole so that a test can look at it."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._session = requests.Session()
        self._session.headers["Origin"] = base_url

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        if body is not None:
            options["json"] = body
        return self._session.request(method, self.base_url + path, timeout=40, **options)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.call("GET", path, params=params)

    def post(self, path: str, body: Any = None) -> requests.Response:
        return self.call("POST", path, {} if body is None else body)

    def bear(self, token: str) -> None:
        self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        self._session.close()

    @property
    def websocket_url(self) -> str:
        return self.base_url.replace("http", "ws", 1) + "/ws/v1"


def made(response: requests.Response, status: int = 201) -> Any:
    """The decoded body of an answer that must have this status."""
    assert response.status_code == status, (
        f"{response.request.method} {response.url}: {response.status_code} {response.text}"
    )
    return response.json() if response.content else None
