"""Every cookie that there is: how it is set, and what the public page says of it, from the same lines."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from flask import Response

from services.gateway.settings import Settings

SameSite = Literal["Lax", "Strict", "None"]


class Cookie(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of cookie. ``is_embedded``: it is for our frame on the pages of others, in a jar of each of them."""

    name: str
    whose: str
    purpose: str
    lasts: str
    same_site: SameSite
    is_embedded: bool = False

    def called(self, settings: Settings, suffix: str = "") -> str:
        return settings.cookie_name(f"{self.name}-{suffix}" if suffix else self.name)

    def set(
        self, response: Response, settings: Settings, value: str, *, until: datetime | None, suffix: str = ""
    ) -> None:
        """Have the browser keep it until then, or until it is closed."""
        response.set_cookie(
            self.called(settings, suffix),
            value,
            expires=until,
            **self._attributes(settings),  # type: ignore[arg-type]
        )

    def delete(self, response: Response, settings: Settings, *, suffix: str = "") -> None:
        response.delete_cookie(
            self.called(settings, suffix),
            **self._attributes(settings),  # type: ignore[arg-type]
        )

    def _attributes(self, settings: Settings) -> dict[str, object]:
        is_apart = self.is_embedded and settings.is_secure
        return {
            "path": "/",
            "secure": settings.is_secure,
            "httponly": True,
            # Without TLS browsers take neither; a local try-out has the frame on its own origin.
            "samesite": "Lax" if self.is_embedded and not is_apart else self.same_site,
            "partitioned": is_apart,
        }


REMEMBERED = timedelta(days=30)
VISITOR_LASTS = timedelta(days=180)

SESSION = Cookie(
    name="session",
    whose="people of our customers who sign in at the console",
    purpose="keeps you signed in",
    lasts=f"until the browser is closed; if you ask to stay signed in, {REMEMBERED.days} days",
    same_site="Lax",
)
STAFF = Cookie(
    name="staff",
    whose="people who work for us and sign in at the staff desk",
    purpose="keeps you signed in",
    lasts="until the browser is closed",
    same_site="Strict",
)
VISITOR = Cookie(
    name="visitor",
    whose="visitors of websites whose owner has turned it on, and who have agreed in the chat",
    purpose="recognises you when you come back to the chat of the same website",
    lasts=f"{VISITOR_LASTS.days} days, or until you withdraw your consent in the chat",
    same_site="None",
    is_embedded=True,
)

ALL = (SESSION, STAFF, VISITOR)
