"""How a disclosure is asked for, decided about, reviewed, carried out and told of.

Every step of a person is noted in the chain of staff before it is taken. Carrying out may be killed at any line and be
done by two at once: the bundle is made under an attempt, and only the one update that ends it makes it the bundle.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
import structlog

from chassis.certificates import Signer
from chassis.clock import now
from chassis.ids import new_id
from chassis.mail import Mailer, MailRefused, MailServerAway, composing
from services.accounts.audit.actions import note, noted
from services.accounts.audit.model import STAFF_CHAIN, SYSTEM, Act, Actor
from services.accounts.audit.store import AuditStore
from services.accounts.customers.store import CustomerStore
from services.accounts.disclosures import model
from services.accounts.disclosures.model import (
    Asked,
    AttemptLost,
    Bundle,
    CustomerNotFound,
    Decided,
    Disclosure,
    KeptBundle,
    Manifest,
    Person,
    Reviewed,
    Standing,
)
from services.accounts.disclosures.sealing import BundleWriter, fingerprint, public_key
from services.accounts.disclosures.store import DisclosureStore
from services.accounts.notices.actions import NO_OWNER
from services.accounts.notices.model import now_reached, pause_after, still_to_reach
from services.accounts.operators.store import OperatorStore

log = structlog.get_logger(__name__)

PART = 1024 * 1024
HELD_EVERY_SECONDS = 5.0
TELLING_CLAIMED_FOR = timedelta(minutes=10)
AWAY_FOR = timedelta(minutes=1)
MOST_STARTED = 20


class Words(Protocol):
    """Where the words are had; ``WordKeepers`` asks the services that keep them."""

    def ids(self, disclosure: Disclosure) -> Iterator[str]: ...

    def conversation(self, disclosure: Disclosure, conversation_id: str) -> dict[str, Any] | None: ...


def request(
    asked: Asked, *, by: Person, actor: Actor, disclosures: DisclosureStore, customers: CustomerStore, audit: AuditStore
) -> Disclosure:
    """Ask for a disclosure; in an emergency that is enough for it to be carried out.

    Raises ``CustomerNotFound``, ``KeyNotValid``, ``GagNotValid``, ``PeriodNotOver``.
    """
    if customers.get(asked.customer_id) is None:
        raise CustomerNotFound
    known_as = fingerprint(public_key(asked.recipient_key))
    made = model.requested(asked, new_id(), fingerprint=known_as, by=by, present=disclosures.present())
    details = {"ground": made.ground, **model.described(made.scope)}
    with noted(STAFF_CHAIN, _act("request", made.disclosure_id, actor, made.customer_id, **details), audit=audit):
        disclosures.add(made)
    log.info("disclosure requested", disclosure_id=made.disclosure_id, ground=made.ground, staff_id=by.id)
    return made


def decide(
    disclosure_id: str,
    outcome: Decided,
    *,
    reason: str,
    by: Person,
    actor: Actor,
    disclosures: DisclosureStore,
    audit: AuditStore,
) -> Standing:
    """Approve or refuse what another has asked for."""
    known = disclosures.get(disclosure_id).disclosure
    with noted(STAFF_CHAIN, _act("decide", disclosure_id, actor, known.customer_id, decision=outcome), audit=audit):
        disclosures.decide(disclosure_id, outcome, by=by, reason=reason)
    log.info("disclosure decided", disclosure_id=disclosure_id, outcome=outcome, staff_id=by.id)
    return disclosures.get(disclosure_id)


def review(
    disclosure_id: str,
    outcome: Reviewed,
    *,
    reason: str,
    by: Person,
    actor: Actor,
    disclosures: DisclosureStore,
    audit: AuditStore,
) -> Standing:
    """Say whether what another has done alone, in an emergency, was right."""
    known = disclosures.get(disclosure_id).disclosure
    with noted(STAFF_CHAIN, _act("review", disclosure_id, actor, known.customer_id, review=outcome), audit=audit):
        disclosures.review(disclosure_id, outcome, by=by, reason=reason)
    log.info("disclosure reviewed", disclosure_id=disclosure_id, outcome=outcome, staff_id=by.id)
    return disclosures.get(disclosure_id)


def register(*, before: str | None, limit: int, disclosures: DisclosureStore) -> tuple[list[Standing], str | None]:
    """A page of the register, and where the next one begins."""
    found = disclosures.newest(before=before, limit=limit + 1)
    following = found[limit - 1].disclosure.disclosure_id if len(found) > limit else None
    return found[:limit], following


def told(
    customer_id: str, *, before: str | None, limit: int, disclosures: DisclosureStore
) -> tuple[list[Disclosure], str | None]:
    """A page of what the customer may know of."""
    found = disclosures.told(customer_id, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].disclosure_id if len(found) > limit else None


def discard_refused(*, disclosures: DisclosureStore, audit: AuditStore) -> None:
    """Remove what was made of bundles that were refused meanwhile, by whoever was killed or noticed it late."""
    for disclosure in disclosures.abandoned():
        act = _act("discard", disclosure.disclosure_id, SYSTEM, disclosure.customer_id, key="discard")
        note(STAFF_CHAIN, act, audit=audit)
        disclosures.discard(disclosure.disclosure_id)
        log.info("refused disclosure discarded", disclosure_id=disclosure.disclosure_id)


def start_due(start: Callable[[str], object], *, disclosures: DisclosureStore) -> None:
    """Have everything carried out that was approved and that nobody works on."""
    for disclosure_id in disclosures.due(limit=MOST_STARTED):
        start(disclosure_id)


def execute(
    disclosure_id: str,
    *,
    words: Words,
    disclosures: DisclosureStore,
    audit: AuditStore,
    signer: Signer,
    claimed_for: timedelta,
    kept_for: timedelta,
) -> None:
    """Make the bundle of what was approved, unless it is made or being made."""
    attempt = new_id()
    disclosure = disclosures.claim(disclosure_id, attempt, lasts=claimed_for)
    if disclosure is None:
        return
    note(STAFF_CHAIN, _act("execute", disclosure_id, SYSTEM, disclosure.customer_id, key="execute"), audit=audit)
    parts = _Parts(disclosure_id, attempt, disclosures=disclosures, claimed_for=claimed_for)
    try:
        bundle = _made(disclosure, attempt, words=words, parts=parts, disclosures=disclosures, signer=signer)
        disclosures.set_executed(disclosure_id, attempt, bundle, kept_for=kept_for)
    except AttemptLost:
        disclosures.drop_parts(disclosure_id, attempt)
        discard_refused(disclosures=disclosures, audit=audit)
        raise
    log.info("disclosure executed", disclosure_id=disclosure_id, conversations=bundle.conversations, bytes=bundle.size)


def _made(
    disclosure: Disclosure,
    attempt: str,
    *,
    words: Words,
    parts: "_Parts",
    disclosures: DisclosureStore,
    signer: Signer,
) -> Bundle:
    disclosures.drop_other_parts(disclosure.disclosure_id, attempt)
    with BundleWriter(public_key(disclosure.recipient_key), parts.write) as writer:
        missing = _fill(writer, disclosure, words, parts)
        writer.finish(_manifest(disclosure, writer, missing), signer)
    return parts.close(conversations=len(writer.files), missing=missing)


def _fill(writer: BundleWriter, disclosure: Disclosure, words: Words, parts: "_Parts") -> tuple[str, ...]:
    """Put in what there is; the ids of what there is not."""
    missing: list[str] = []
    for conversation_id in words.ids(disclosure):
        parts.hold()
        found = words.conversation(disclosure, conversation_id)
        if found is None:
            missing.append(conversation_id)
        else:
            writer.add(conversation_id, msgspec.json.encode(found))
    return tuple(missing)


def _manifest(disclosure: Disclosure, writer: BundleWriter, missing: tuple[str, ...]) -> Manifest:
    return Manifest(
        disclosure_id=disclosure.disclosure_id,
        customer_id=disclosure.customer_id,
        ground=disclosure.ground,
        scope=disclosure.scope,
        recipient=disclosure.recipient,
        recipient_fingerprint=disclosure.recipient_fingerprint,
        files=tuple(writer.files),
        missing=missing,
    )


class _Parts:
    """Keeps the sealed bytes a part at a time, and the attempt alive meanwhile."""

    def __init__(
        self, disclosure_id: str, attempt: str, *, disclosures: DisclosureStore, claimed_for: timedelta
    ) -> None:
        self._key = (disclosure_id, attempt)
        self._disclosures = disclosures
        self._claimed_for = claimed_for
        self._held_at = time.monotonic()
        self._rest = bytearray()
        self._count = 0
        self._size = 0
        self._digest = hashlib.sha256()

    def hold(self) -> None:
        """Go on, if it is still ours: said again every few seconds."""
        if time.monotonic() - self._held_at >= min(HELD_EVERY_SECONDS, self._claimed_for.total_seconds() / 3):
            self._hold()

    def _hold(self) -> None:
        self._disclosures.hold(*self._key, lasts=self._claimed_for)
        self._held_at = time.monotonic()

    def write(self, sealed: bytes) -> None:
        self._rest += sealed
        while len(self._rest) >= PART:
            self._keep(bytes(self._rest[:PART]))
            del self._rest[:PART]

    def close(self, *, conversations: int, missing: tuple[str, ...]) -> Bundle:
        if self._rest:
            self._keep(bytes(self._rest))
        return Bundle(
            parts=self._count,
            size=self._size,
            sha256=self._digest.hexdigest(),
            conversations=conversations,
            missing=missing,
        )

    def _keep(self, data: bytes) -> None:
        self._hold()
        self._disclosures.put_part(*self._key, self._count, data)
        self._count += 1
        self._size += len(data)
        self._digest.update(data)


def tell_due(
    *,
    public_url: str,
    disclosures: DisclosureStore,
    operators: OperatorStore,
    audit: AuditStore,
    mailer: Mailer,
    clock: Callable[[], datetime] = now,
) -> None:
    """Tell every customer who is to be told now. Our clock only dates the mails."""
    while (disclosure := disclosures.claim_telling(lasts=TELLING_CLAIMED_FOR)) is not None:
        _note_told(disclosure, audit=audit)
        telling = disclosure.telling or model.Telling()
        to = still_to_reach(operators.owners(disclosure.customer_id), telling.reached)
        if not to and not telling.reached:
            _untold(disclosure, (), NO_OWNER, disclosures=disclosures)
            continue
        try:
            refused = _sent(disclosure, to, public_url=public_url, mailer=mailer, sent_at=clock()) if to else {}
        except MailServerAway as error:
            disclosures.put_off_telling(disclosure, again_in=AWAY_FOR, is_certain=error.is_certain)
            log.warning("mail server away", disclosure_id=disclosure.disclosure_id, reason=str(error))
            return
        if refused:
            reached = now_reached(telling.reached, to, refused)
            _untold(disclosure, reached, "; ".join(sorted(set(refused.values()))), disclosures=disclosures)
        else:
            disclosures.set_told(disclosure)
            log.info("customer told of disclosure", disclosure_id=disclosure.disclosure_id)


def _note_told(disclosure: Disclosure, *, audit: AuditStore) -> None:
    """From now on it is in the customer's own chain."""
    details = {"ground": disclosure.ground, **model.described(disclosure.scope)}
    act = _act("tell", disclosure.disclosure_id, SYSTEM, disclosure.customer_id, key="tell", **details)
    note(disclosure.customer_id, act, audit=audit)


def _sent(
    disclosure: Disclosure, to: tuple[str, ...], *, public_url: str, mailer: Mailer, sent_at: datetime
) -> dict[str, str]:
    """Whom the mail did not reach, and why."""
    bundle = _bundle(disclosure)
    try:
        with composing(to):
            mail = model.mail(disclosure, bundle, to=to, sender=mailer.sender, public_url=public_url, sent_at=sent_at)
        with mailer.connected() as line:
            return line.send(mail, to=to)
    except MailRefused as error:
        return error.refused


def _bundle(disclosure: Disclosure) -> KeptBundle:
    if disclosure.bundle is None:
        raise model.BundleGone
    return disclosure.bundle


def _untold(disclosure: Disclosure, reached: tuple[str, ...], reason: str, *, disclosures: DisclosureStore) -> None:
    refusals = disclosure.telling.refusals if disclosure.telling else 0
    again_in = pause_after(refusals + 1)
    disclosures.set_untold(disclosure, reached=reached, reason=reason, again_in=again_in)
    log.warning("customer not told", disclosure_id=disclosure.disclosure_id, is_final=again_in is None)


def _act(
    verb: str, disclosure_id: str, actor: Actor, customer_id: str, *, key: str | None = None, **details: str
) -> Act:
    """What is done with a disclosure. Under a ``key`` it is noted once, however often it is begun."""
    return Act(
        act_id=f"{disclosure_id}.{key or new_id()}",
        actor=actor,
        act=f"disclosures.{verb}",
        subject={"disclosure_id": disclosure_id, "customer_id": customer_id},
        details=details,
    )
