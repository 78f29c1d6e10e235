"""Who is calling: tokens by which one service tells another on whose behalf it asks.

Signed with the calling service's own Ed25519 key, good for one audience and one minute. The
customer and the role of a request come from here and from nowhere else.
"""

import base64
import functools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, ParamSpec, Protocol, TypeVar, get_args

import msgspec
from flask import g, request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from chassis import web
from chassis.ids import new_id
from chassis.problems import Problem

StaffRole = Literal["staff-support", "staff-reviewer", "staff-legal", "staff-admin"]
"""People who work for us. Their roles have names of their own, so that no check of a customer's roles lets them in."""

Role = Literal["public", "visitor", "owner", "admin", "operator", "analyst", "service", "disclosure"] | StaffRole
STAFF: tuple[StaffRole, ...] = get_args(StaffRole)

ALGORITHM: Literal["Ed25519"] = "Ed25519"
LIFE_SECONDS = 60
REUSE_SECONDS = 30
LEEWAY_SECONDS = 5
_CACHE_SIZE = 10_000

P = ParamSpec("P")
R = TypeVar("R")


class NotAuthenticated(Exception):
    """There is no token, or none that counts here and now."""


class Caller(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who asks: the service that signed, and the person it asks for."""

    service: str
    role: Role
    customer_id: str | None = None
    subject: str | None = None
    name: str = ""
    session_id: str | None = None
    site_id: str | None = None
    grant: str | None = None
    """What, and nothing else, a caller may see whose role was made for one occasion; in the words of its contract."""


class _Claims(msgspec.Struct):
    iss: str
    sub: str
    aud: str
    iat: int
    exp: int
    jti: str
    caller: Caller


class Ticket(NamedTuple):
    """What a ticket says: whom it admits, by which name it is known, and until when it can be shown."""

    caller: Caller
    ticket_id: str
    expires_at: int
    """Seconds since the epoch, by the clock of who signed."""


class TokenIssuer:
    """Signs for one service."""

    def __init__(self, service: str, private_jwk: str) -> None:
        self.service = service
        self._key = OKPKey.import_key(msgspec.json.decode(private_jwk))
        self._cache: OrderedDict[tuple[Caller, str], tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()

    def token_for(self, caller: Caller, audience: str) -> str:
        """A token for ``audience`` on behalf of ``caller``; the same one for up to half a minute."""
        present = time.time()
        with self._lock:
            signed_at, token = self._cache.get((caller, audience), (0.0, ""))
        if 0 <= present - signed_at < REUSE_SECONDS:
            return token
        token = self._sign(caller, audience, int(present))
        with self._lock:
            self._cache[caller, audience] = (present, token)
            self._cache.move_to_end((caller, audience))
            self._forget(present)
        return token

    def ticket_for(self, caller: Caller, audience: str) -> str:
        """A ticket for ``caller``, a new one each time: for somebody outside to show, who is let in on it once.

        ``audience`` is the service that counts it as used. It is no token: no service takes it for one.
        """
        return self._sign(caller, _ticket_audience(audience), int(time.time()))

    def _forget(self, present: float) -> None:
        # Signed in this order, so the first is the oldest. Clocks may be set, so one of the future is no use either.
        while len(self._cache) > _CACHE_SIZE or not 0 <= present - next(iter(self._cache.values()))[0] < REUSE_SECONDS:
            self._cache.popitem(last=False)

    def _sign(self, caller: Caller, audience: str, present: int) -> str:
        claims = {
            "iss": self.service,
            "sub": self.service,
            "aud": audience,
            "iat": present,
            "exp": present + LIFE_SECONDS,
            "jti": new_id(),
            "caller": msgspec.to_builtins(msgspec.structs.replace(caller, service=self.service)),
        }
        header = {"alg": ALGORITHM, "kid": self.service}
        return jwt.encode(header, claims, self._key, registry=JWSRegistry(algorithms=[ALGORITHM]))


class TokenVerifier:
    """Checks tokens meant for one service against the public keys of all.

    A service may have two keys under its name while it changes from one to the other.
    """

    def __init__(self, service: str, jwks: str) -> None:
        self._service = service
        self._registry = JWSRegistry(algorithms=[ALGORITHM])
        self._keys: dict[str, list[OKPKey]] = {}
        for jwk in msgspec.json.decode(jwks)["keys"]:
            self._keys.setdefault(jwk["kid"], []).append(OKPKey.import_key(jwk))

    def verify(self, token: str) -> Caller:
        """The caller that a service vouches for. Raises ``NotAuthenticated`` for anything less."""
        return self._verified(token, self._service).caller

    def verify_ticket(self, ticket: str) -> Ticket:
        """What the ticket says. Whether it was shown before is for who keeps count. Raises ``NotAuthenticated``."""
        claims = self._verified(ticket, _ticket_audience(self._service))
        return Ticket(claims.caller, claims.jti, claims.exp)

    def _verified(self, token: str, audience: str) -> _Claims:
        claims = self._claims(token)
        present = time.time()
        if claims.aud != audience or claims.iss != claims.sub or claims.caller.service != claims.iss:
            raise NotAuthenticated
        if not claims.exp - LIFE_SECONDS <= claims.iat <= present + LEEWAY_SECONDS:
            raise NotAuthenticated
        if present >= claims.exp + LEEWAY_SECONDS:
            raise NotAuthenticated
        return claims

    def _claims(self, token: str) -> _Claims:
        for signer, key in self._candidates(token):
            try:
                decoded = jwt.decode(token, key, registry=self._registry)
                claims = msgspec.convert(decoded.claims, _Claims)
            except (JoseError, msgspec.ValidationError, ValueError, TypeError):
                continue
            if claims.iss == signer:
                return claims
        raise NotAuthenticated

    def _candidates(self, token: str) -> list[tuple[str, OKPKey]]:
        # Each key is only tried for the service whose name it bears: no service can sign as another.
        signer = _key_id(token)
        return [(signer, key) for key in self._keys.get(signer, [])]


def _ticket_audience(service: str) -> str:
    return f"{service} ticket"


def _key_id(token: str) -> str:
    try:
        header = msgspec.json.decode(_base64url(token.partition(".")[0]))
        return str(header["kid"])
    except (msgspec.DecodeError, ValueError, TypeError, KeyError) as error:
        raise NotAuthenticated from error


def _base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Guarded(Protocol):
    """An application or a blueprint."""

    def before_request(self, f: Any, /) -> Any: ...


def require_token(target: Guarded, verifier: TokenVerifier) -> None:
    """Every request to ``target`` needs a service token, except those any machine may make (health, metrics)."""

    def check() -> None:
        if request.endpoint not in web.UNGUARDED:
            g.caller = _authenticated(verifier)

    target.before_request(check)


def _authenticated(verifier: TokenVerifier) -> Caller:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise NotAuthenticated
        return verifier.verify(token.strip())
    except NotAuthenticated as error:
        headers = {"WWW-Authenticate": "Bearer"}
        raise Problem(401, "not-authenticated", "A valid service token is needed.", headers=headers) from error


def caller() -> Caller:
    """The caller of the current request; only where ``require_token`` stands guard."""
    found: Caller = g.caller
    return found


def customer() -> str:
    """The customer the caller acts for: the only tenant this request may touch."""
    customer_id = caller().customer_id
    if customer_id is None:
        raise _forbidden()
    return customer_id


def require_role(*roles: Role) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only callers in one of ``roles`` get through."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if caller().role not in roles:
                raise _forbidden()
            return view(*args, **kwargs)

        return guarded

    return decorate


def _forbidden() -> Problem:
    return Problem(403, "forbidden", "Your role does not allow this.")


def new_key(service: str) -> str:
    """A fresh private key for ``service``, as a JWK in JSON."""
    key = OKPKey.generate_key(ALGORITHM, parameters={"kid": service, "alg": ALGORITHM, "use": "sig"})
    return msgspec.json.encode(key.as_dict(private=True)).decode()


def public_keys(private: Iterable[str]) -> str:
    """What all services may know: the public halves, as a JWK set in JSON."""
    keys = [OKPKey.import_key(msgspec.json.decode(jwk)).as_dict(private=False) for jwk in private]
    return msgspec.json.encode({"keys": keys}).decode()
