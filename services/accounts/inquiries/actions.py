"""What becomes of a question: taken down once, acknowledged once, answered by one of us, closed, forgotten.

What cannot be had is knowing whether a mail went out when its sender died between the mail server's answer and the
mark: it is sent again then, under the same Message-ID.
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parseaddr

import structlog

from chassis.clock import now as present
from chassis.ids import new_id
from chassis.mail import Line, Mailer, MailRefused, MailServerAway, composing
from services.accounts.inquiries import mails
from services.accounts.inquiries.model import (
    AWAY_FOR,
    DUE_AFTER,
    LINK_LASTS,
    Confirmation,
    Entry,
    Inquiry,
    Letter,
    Outgoing,
    Wish,
    is_to_be_acknowledged,
    pause_after,
)
from services.accounts.inquiries.store import InquiryStore
from services.accounts.sites.model import Site

log = structlog.get_logger(__name__)

MAILS_AT_ONCE = 50


def take(
    letter: Letter,
    *,
    support: str,
    public_url: str,
    inquiries: InquiryStore,
    now: datetime,
    site: Site | None = None,
) -> Inquiry:
    """Take a letter down, and have it acknowledged unless a machine wrote it; delivered twice, it is one.

    Who wishes for a copy or an erasure of what a ``site`` holds is sent a link instead, which proves the address.
    """
    entry = Entry(kind="question", text=letter.text, by=letter.sender, at=now)
    fresh = Inquiry(
        inquiry_id=new_id(),
        number=0,
        source=letter.source,
        wish=letter.wish,
        sender=letter.sender,
        subject=letter.subject,
        state="open",
        is_automatic=letter.is_automatic,
        received_at=now,
        due_at=now + DUE_AFTER,
        entries=(entry,),
        message_ids=(letter.message_id,) if letter.message_id else (),
    )

    def reply(inquiry: Inquiry) -> tuple[Outgoing | None, Confirmation | None]:
        if not is_to_be_acknowledged(letter):
            return None, None
        if site is not None and letter.wish != "question":
            return _link(inquiry, letter, site, support=support, public_url=public_url, now=now)
        return _acknowledgement(inquiry, letter, support=support), None

    inquiry, is_known = inquiries.take(letter, fresh, now=now, reply=reply)
    log.info("letter taken", inquiry=inquiry.number, source=letter.source, is_known=is_known)
    return inquiry


def _acknowledgement(inquiry: Inquiry, letter: Letter, *, support: str) -> Outgoing:
    text = mails.ACKNOWLEDGEMENT.format(number=inquiry.number, due=inquiry.due_at)
    # Nothing of what was sent to us goes back: whoever forged the sender would have us deliver it.
    subject = f"We have received your question, number {inquiry.number}"
    return _first_mail(inquiry, letter, subject, text, support=support)


def _link(
    inquiry: Inquiry, letter: Letter, site: Site, *, support: str, public_url: str, now: datetime
) -> tuple[Outgoing, Confirmation]:
    token = secrets.token_urlsafe(32)
    text = mails.CONFIRM.format(
        what=mails.WHAT[letter.wish],
        site=site.name,
        url=f"{public_url}/privacy/confirm/{token}",
        number=inquiry.number,
    )
    confirmation = Confirmation(
        token_hash=hash_of(token),
        inquiry_id=inquiry.inquiry_id,
        email=letter.sender,
        wish=letter.wish,
        customer_id=site.customer_id,
        site_name=site.name,
        expires_at=now + LINK_LASTS,
    )
    subject = f"Please confirm your address, question number {inquiry.number}"
    return _first_mail(inquiry, letter, subject, text, support=support), confirmation


def _first_mail(inquiry: Inquiry, letter: Letter, subject: str, text: str, *, support: str) -> Outgoing:
    return Outgoing(
        mail_id=f"{inquiry.inquiry_id}/first",
        inquiry_id=inquiry.inquiry_id,
        kind="acknowledgement",
        to=letter.return_path,
        subject=subject,
        text=text,
        message_id=_message_id(support),
        in_reply_to=letter.message_id,
    )


def _message_id(support: str) -> str:
    return f"<{secrets.token_hex(16)}@{parseaddr(support)[1].rpartition('@')[2]}>"


def hash_of(token: str) -> str:
    """What is kept of a link: 256 random bits cannot be guessed, however fast one guesses."""
    return hashlib.sha256(token.encode()).hexdigest()


def form_letter(form_id: str, *, email: str, subject: str, text: str, wish: Wish) -> Letter:
    """What was sent with the form; sent twice, it is one."""
    return Letter(
        source="form",
        key=f"form:{form_id}",
        sender=email,
        return_path=email,
        subject=subject,
        text=text,
        wish=wish,
    )


def answer(
    inquiry_id: str,
    text: str,
    *,
    client_id: str,
    by: str,
    support: str,
    inquiries: InquiryStore,
    now: datetime,
) -> Inquiry:
    """Answer by mail, in the thread of what was asked; under the same ``client_id`` it is answered once."""
    inquiry = inquiries.get(inquiry_id)
    mail = Outgoing(
        mail_id=f"{inquiry_id}/{client_id}",
        inquiry_id=inquiry_id,
        kind="answer",
        to=inquiry.sender,
        subject=f"Re: {inquiry.subject or 'your question'} (number {inquiry.number})",
        text=text,
        message_id=_message_id(support),
        in_reply_to=inquiry.message_ids[0] if inquiry.message_ids else "",
    )
    entry = Entry(kind="answer", text=text, by=by, at=now)
    return inquiries.answer(inquiry_id, entry, mail, now=now)


def send_mails(
    *,
    support: str,
    claimed_for: timedelta,
    inquiries: InquiryStore,
    mailer: Mailer,
    clock: Callable[[], datetime] = present,
) -> int:
    """Send some of what is due; how many went out. While the server is away, nothing counts as refused."""
    mail = inquiries.claim(now=clock(), lasts=claimed_for)
    sent = 0
    if mail is None:
        return sent
    try:
        with mailer.connected() as line:
            while mail is not None:
                sent += _send(mail, line, support=support, inquiries=inquiries, now=clock())
                mail = inquiries.claim(now=clock(), lasts=claimed_for) if sent < MAILS_AT_ONCE else None
    except MailServerAway as error:
        if mail is not None:
            inquiries.set_back(mail, due_at=clock() + AWAY_FOR, is_refused=False)
        log.warning("mail server away", reason=str(error))
    return sent


def _send(mail: Outgoing, line: Line, *, support: str, inquiries: InquiryStore, now: datetime) -> bool:
    try:
        with composing((mail.to,)):
            message = mails.composed(mail, sender=support, sent_at=now)
        line.send(message, to=(mail.to,))
    except MailRefused as error:
        pause = pause_after(mail.refusals + 1)
        inquiries.set_back(mail, due_at=now + pause if pause else None, is_refused=True)
        log.warning("mail refused", inquiry_id=mail.inquiry_id, is_final=pause is None, cause=type(error).__name__)
        return False
    inquiries.set_sent(mail, now=now)
    return True
