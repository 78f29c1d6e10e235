"""How every customer comes to know of a new version: the plan, the sending, and how far it has got.

The ledger has one line for each version, kind and customer. A line is claimed before the mail goes out and marked
after the mail server took it, so of two that work at once each sends other lines, and who is killed loses none. What
cannot be had is knowing whether a mail went out when the sender died between the server's answer and the mark: it is
sent again then, under the same Message-ID, and the line counts it as ``repeated``.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage

import structlog

from chassis.clock import now
from chassis.mail import Line, Mailer, MailRefused, MailServerAway, composing
from services.accounts.customers.store import CustomerStore
from services.accounts.notices import model
from services.accounts.notices.model import KINDS, Kind, Notice, Progress, Run
from services.accounts.notices.store import NoticeStore
from services.accounts.operators.store import OperatorStore
from services.accounts.policy.model import PolicyVersion
from services.accounts.policy.store import PolicyStore

log = structlog.get_logger(__name__)

PLAN_PAGE = 500
JOB_LASTS = timedelta(seconds=20)
"""A job that has more to do goes on as another one, so that whatever else is to be done gets its turn."""

ENGAGED_FOR = timedelta(minutes=2)
MAILS_A_CONNECTION = 100
NO_OWNER = "the account has no active owner"


def start_due(
    start: Callable[[int, Kind], object], *, policies: PolicyStore, notices: NoticeStore, customers: CustomerStore
) -> None:
    """Have every run worked on that has something to do and that nobody works on."""
    read_at, versions = policies.all()
    for version, kind in model.due(versions, read_at):
        run = notices.begin(version.number, kind)
        if run.is_planned and read_at < version.effective_at and run.customers != customers.count():
            notices.plan_again(version.number, kind)
        elif run.is_planned and not notices.is_anything_due(version.number, kind):
            continue
        if notices.engage(version.number, kind, lasts=ENGAGED_FOR):
            start(version.number, kind)


def send(
    number: int,
    kind: Kind,
    *,
    public_url: str,
    policies: PolicyStore,
    notices: NoticeStore,
    customers: CustomerStore,
    operators: OperatorStore,
    mailer: Mailer,
    claimed_for: timedelta,
    lasts: timedelta = JOB_LASTS,
    clock: Callable[[], datetime] = now,
) -> bool:
    """Work on a run for so long; whether there is more to do at once. Our clock only dates the mails."""
    until = time.monotonic() + lasts.total_seconds()
    run, version = notices.begin(number, kind), policies.get(number)
    if not run.is_planned:
        _plan(run, notices=notices, customers=customers)
    post = _Post(
        version,
        run,
        public_url=public_url,
        notices=notices,
        operators=operators,
        mailer=mailer,
        claimed_for=claimed_for,
        clock=clock,
    )
    try:
        while time.monotonic() < until:
            if not post.send_some(until):
                notices.disengage(number, kind)
                return False
    except MailServerAway as error:
        times = run.times_away + 1 if run.away_since else 1
        notices.set_away(number, kind, times=times, lasts=model.away_after(times))
        notices.disengage(number, kind)
        log.warning("mail server away", version=version.version, kind=kind, times=times, reason=str(error))
        return False
    notices.stay_engaged(number, kind, lasts=ENGAGED_FOR)
    return True


def _plan(run: Run, *, notices: NoticeStore, customers: CustomerStore) -> None:
    """Write the ledger, page by page, from where it was left.

    Who came meanwhile with an id that lies behind us has no line: there are fewer lines than customers then.
    """
    after = run.planned_after
    while page := customers.ids(after=after, limit=PLAN_PAGE):
        notices.plan(run.number, run.kind, page)
        notices.stay_engaged(run.number, run.kind, lasts=ENGAGED_FOR)
        after = page[-1]
    count = notices.set_planned(run.number, run.kind)
    log.info("notices planned", version=run.number, kind=run.kind, customers=count)


class _Post:
    """Sends the lines of one run."""

    def __init__(
        self,
        version: PolicyVersion,
        run: Run,
        *,
        public_url: str,
        notices: NoticeStore,
        operators: OperatorStore,
        mailer: Mailer,
        claimed_for: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._version = version
        self._run = run
        self._public_url = public_url
        self._notices = notices
        self._operators = operators
        self._mailer = mailer
        self._claimed_for = claimed_for
        self._clock = clock

    def send_some(self, until: float) -> bool:
        """Send what one connection carries; False when nothing was left to do."""
        notice = self._claim()
        if notice is None:
            return False
        try:
            with self._mailer.connected() as line:
                self._notices.set_back(self._run.number, self._run.kind)
                for number in range(MAILS_A_CONNECTION):
                    self._send(notice, line)
                    if number == MAILS_A_CONNECTION - 1 or time.monotonic() >= until:
                        return True
                    following = self._claim()
                    if following is None:
                        return False
                    notice = following
        except MailServerAway as error:
            self._notices.give_back(notice, is_certain=error.is_certain)
            raise
        return True

    def _claim(self) -> Notice | None:
        return self._notices.claim(self._run.number, self._run.kind, lasts=self._claimed_for)

    def _send(self, notice: Notice, line: Line) -> None:
        to = model.still_to_reach(self._operators.owners(notice.customer_id), notice.reached)
        if not to:
            self._nobody_left(notice)
            return
        try:
            refused = line.send(self._mail(notice, to), to=to)
        except MailRefused as error:
            refused = error.refused
        if refused:
            reached = model.now_reached(notice.reached, to, refused)
            self._refused(notice, reached, tuple(refused), "; ".join(sorted(set(refused.values()))))
        else:
            self._notices.set_sent(notice)

    def _mail(self, notice: Notice, to: tuple[str, ...]) -> EmailMessage:
        with composing(to):
            return model.mail(
                notice,
                self._version,
                to=to,
                sender=self._mailer.sender,
                public_url=self._public_url,
                sent_at=self._clock(),
            )

    def _nobody_left(self, notice: Notice) -> None:
        if notice.reached:
            self._notices.set_sent(notice)
        else:
            self._refused(notice, (), (), NO_OWNER)

    def _refused(self, notice: Notice, reached: tuple[str, ...], owed: tuple[str, ...], reason: str) -> None:
        again_in = model.pause_after(notice.refusals + 1)
        self._notices.set_refused(notice, reached=reached, owed=owed, reason=reason, again_in=again_in)
        log.warning("notice refused", customer_id=notice.customer_id, kind=notice.kind, is_final=again_in is None)


def progress(number: int, *, notices: NoticeStore) -> list[Progress]:
    """How far the notices of a version have got; of those that have begun."""
    found = (notices.progress(number, kind) for kind in KINDS)
    return [each for each in found if each is not None]
