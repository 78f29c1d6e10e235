"""Noting what is done, signing how far that has got, and looking whether it was tampered with.

An act is noted before it is done: what could not be noted is not done. What then comes to nothing gets a second entry
that says so; an entry without one was carried out, or its doer was cut off in the middle of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from heapq import merge

import msgspec
import structlog

from chassis.certificates import NotGenuine, Signer
from services.accounts.audit import model
from services.accounts.audit.model import Act, Entry, Finding, Head
from services.accounts.audit.store import AuditStore

log = structlog.get_logger(__name__)


def note(chain: str, act: Act, *, audit: AuditStore) -> Entry:
    """The entry of an act, which is there from now on."""
    return audit.append(chain, act)


@contextmanager
def noted(chain: str, act: Act, *, audit: AuditStore) -> Iterator[None]:
    """Note the act, do what is inside, and note as well if that is refused."""
    note(chain, act, audit=audit)
    try:
        yield
    except Exception as refusal:
        note(chain, act.ended(type(refusal).__name__), audit=audit)
        raise


def entries(chain: str, *, before: int | None, limit: int, audit: AuditStore) -> tuple[list[Entry], int | None]:
    """A page of entries, the newest first, and the number before which the next one begins."""
    found = audit.newest(chain, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].number if len(found) > limit else None


def sign_head(chain: str, *, audit: AuditStore, signer: Signer) -> Head | None:
    """The signed head of the chain as it is now; None while it is empty."""
    last, present = audit.last(chain)
    if last is None:
        return None
    known = audit.latest_head(chain)
    if known is not None and known.number >= last.number:
        return known
    statement = {"chain": chain, "number": last.number, "hash": last.hash, "signed_at": present}
    certificate = signer.sign(model.HEAD, msgspec.to_builtins(statement))
    return audit.keep_head(
        Head(chain=chain, number=last.number, hash=last.hash, signed_at=present, certificate=certificate)
    )


def sign_heads(*, audit: AuditStore, signer: Signer) -> int:
    """Sign the head of every chain that has grown; how many there were."""
    began_at, chains = audit.changed()
    for chain in chains:
        sign_head(chain, audit=audit, signer=signer)
    audit.finish_round(began_at)
    return len(chains)


def verify(chain: str, *, audit: AuditStore, jwks: str, handed_in: Sequence[str] = ()) -> Finding:
    """Look through the whole chain, against every head that is kept and those that somebody else has kept."""
    heads = merge(_by_number(audit.certificates(chain), jwks), sorted(_by_number(handed_in, jwks)))
    looker = model.Looker(chain, (certificate for _, certificate in heads), jwks=jwks)
    for number, entry in audit.stored(chain):
        looker.take(entry, number)
    finding = looker.finding()
    log.info("audit verified", chain=chain, entries=finding.entries, problems=finding.problem_count)
    return finding


def _by_number(certificates: Iterable[str], jwks: str) -> Iterator[tuple[int, str]]:
    for certificate in certificates:
        try:
            yield model.read_head(certificate, jwks=jwks).number, certificate
        except NotGenuine:
            yield 0, certificate
