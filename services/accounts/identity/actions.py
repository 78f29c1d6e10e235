"""What is done with identity documents: demanded, taken in, looked at, decided on, destroyed; one place each."""

from datetime import datetime, timedelta

import structlog

from chassis.ids import new_id
from services.accounts.identity import model, sealing
from services.accounts.identity.documents import Document, Reader
from services.accounts.identity.model import (
    Action,
    Decision,
    IdentityRequired,
    Strictness,
    Verification,
    VerificationNotFound,
)
from services.accounts.identity.sealing import MasterKey, SealBroken
from services.accounts.identity.store import VerificationStore
from services.accounts.letters.store import LetterStore
from services.accounts.operators.model import Acting, NotAnOwner
from services.accounts.operators.store import OperatorStore
from services.accounts.sessions.store import SessionStore

log = structlog.get_logger(__name__)


class StepUp:
    """Stands before what not every session may do: lets it go on, or demands an identity document."""

    def __init__(
        self, *, verifications: VerificationStore, operators: OperatorStore, sessions: SessionStore, idle: timedelta
    ) -> None:
        self._verifications = verifications
        self._operators = operators
        self._sessions = sessions
        self._idle = idle

    def check(self, action: Action, who: Acting, *, now: datetime, is_first: bool = False) -> None:
        """Raises ``IdentityRequired``, unless the table lets the session pass or a grant is there for exactly this."""
        strictness = self._verifications.strictness(who.customer_id)
        found = self._signals(who, now)
        if not model.is_demanded(action, strictness, found, is_first=is_first):
            return
        if self._verifications.use_grant(who.customer_id, who.operator_id, action, now):
            log.info("identity grant used", operator_id=who.operator_id, action=action)
            return
        log.info("identity demanded", operator_id=who.operator_id, action=action, signs=sorted(found))
        raise IdentityRequired(action)

    def _signals(self, who: Acting, now: datetime) -> frozenset[model.Signal]:
        session = self._sessions.get(who.customer_id, who.session_id, now=now, idle=self._idle)
        places = self._sessions.places(who.customer_id, who.operator_id)
        return model.signals(session, places, self._operators.get(who.customer_id, who.operator_id), now)


def upload(
    who: Acting,
    action: Action,
    content: bytes,
    *,
    now: datetime,
    reader: Reader,
    master_key: MasterKey,
    verifications: VerificationStore,
    operators: OperatorStore,
) -> Verification:
    """Take a document in for an action. Raises ``DocumentNotValid``, ``VerificationOpen``.

    What touches the database is sealed. The verification is there first, so that whatever a killed process leaves is
    found and destroyed; the key comes last, so that until then there is nothing to open.
    """
    document = reader.read(content)
    operator = operators.get(who.customer_id, who.operator_id)
    verification = Verification(
        verification_id=new_id(),
        customer_id=who.customer_id,
        operator_id=who.operator_id,
        operator_name=operator.name,
        operator_email=operator.email,
        action=action,
        state="arriving",
        media_type=document.media_type,
        uploaded_at=now,
    )
    verifications.begin(who.customer_id, verification)
    key = sealing.new_key()
    sealed = sealing.seal(document.content, key, verification.context)
    verifications.put_document(who.customer_id, verification.verification_id, sealed)
    wrapped = master_key.wrap(key, verification.context)
    admitted = verifications.admit(who.customer_id, verification.verification_id, wrapped)
    log.info("identity document waits", operator_id=who.operator_id, action=action, id=admitted.verification_id)
    return admitted


def own(who: Acting, *, verifications: VerificationStore) -> list[Verification]:
    """What became of the operator's own documents; never the documents."""
    return verifications.of_operator(who.customer_id, who.operator_id)


def strictness_of(customer_id: str, *, verifications: VerificationStore) -> Strictness:
    return verifications.strictness(customer_id)


def set_strictness(
    who: Acting,
    strictness: Strictness,
    *,
    now: datetime,
    verifications: VerificationStore,
    operators: OperatorStore,
    step_up: StepUp,
) -> Strictness:
    """How often documents are demanded of the customer's people. Whoever wants it less often shows one first."""
    if operators.get(who.customer_id, who.operator_id).role != "owner":
        raise NotAnOwner
    if not model.is_stricter_or_same(strictness, verifications.strictness(who.customer_id)):
        step_up.check("relax-identity", who, now=now)
    verifications.set_strictness(who.customer_id, strictness)
    log.info("identity strictness set", operator_id=who.operator_id, strictness=strictness)
    return strictness


def listed(*, verifications: VerificationStore) -> list[Verification]:
    """For reviewers: what waits, and what became of the rest."""
    return verifications.listed()


def view(
    verification_id: str, staff_id: str, *, now: datetime, master_key: MasterKey, verifications: VerificationStore
) -> Document:
    """The document, in clear, for the one who decides. Raises ``VerificationNotFound`` when it waits no more."""
    verification = verifications.get(verification_id)
    if verification.state != "waiting" or now - verification.uploaded_at >= model.KEPT_FOR:
        raise VerificationNotFound
    wrapped, sealed = verifications.sealed(verification_id)
    try:
        key = master_key.unwrap(wrapped, verification.context)
        content = sealing.unseal(sealed, key, verification.context)
    except SealBroken as error:
        raise VerificationNotFound from error
    log.info("identity document viewed", staff_id=staff_id, id=verification_id)
    is_pdf = verification.media_type == "application/pdf"
    return Document(media_type="application/pdf" if is_pdf else "image/jpeg", content=content)


def decide(
    verification_id: str,
    decision: Decision,
    *,
    reason: str,
    decided_by: str,
    now: datetime,
    verifications: VerificationStore,
    letters: LetterStore,
    operators: OperatorStore,
) -> Verification:
    """Approve or refuse; from then on there is no document. Raises ``AlreadyDecided``.

    What a process that is killed behind the decision leaves undone, the next sweep does.
    """
    verifications.decide(verification_id, decision, decided_by=decided_by, reason=reason, now=now)
    log.info("identity decided", staff_id=decided_by, decision=decision, id=verification_id)
    destroy(verification_id, now=now, verifications=verifications)
    _tell(verifications.get(verification_id), verifications=verifications, letters=letters, operators=operators)
    return verifications.get(verification_id)


def sweep(*, now: datetime, verifications: VerificationStore, letters: LetterStore, operators: OperatorStore) -> None:
    """End what is late, destroy what is over, tell of it. It may be killed anywhere, and run any number of times."""
    verifications.expire(now)
    for verification_id in verifications.to_destroy():
        destroy(verification_id, now=now, verifications=verifications)
    if strays := verifications.destroy_strays():
        log.warning("stray identity documents destroyed", count=strays)
    for verification in verifications.untold():
        _tell(verification, verifications=verifications, letters=letters, operators=operators)


def destroy(verification_id: str, *, now: datetime, verifications: VerificationStore) -> None:
    """The key first: without it, what is left of the document says nothing. Then look, and note what is not there."""
    verifications.destroy_key(verification_id)
    verifications.destroy_document(verification_id)
    receipt = verifications.look(verification_id, now)
    if receipt.is_clean:
        verifications.set_destroyed(verification_id, receipt)
        log.info("identity document destroyed", id=verification_id)


def _tell(
    verification: Verification, *, verifications: VerificationStore, letters: LetterStore, operators: OperatorStore
) -> None:
    owners = operators.owners(verification.customer_id)
    letters.put_once(verification.customer_id, model.letter(verification, owners=owners))
    verifications.set_told(verification.verification_id)
