"""What can go wrong on the bus, and what a handler says about a delivery.

Unavailable               (chassis.problems; becomes 503 with Retry-After)
└── PublishFailed         a payload was not, or not certainly, accepted by the broker
    ├── Unroutable          no queue takes it: nobody will ever read it
    ├── Refused             the broker said no: the queue is full
    ├── Overloaded          too much is on its way already, or the broker is short of memory or disk
    ├── Down                there is no connection to the broker just now
    └── Unconfirmed         no answer in time: it may or may not have been accepted
Verdict                   raised by handlers only
├── Retry                   not now: again later
└── Restart                 this channel is not to be trusted: everything again, on a new one
"""

from chassis.problems import Unavailable

NOT_FOUND = 404
"""What the broker closes a channel with that asked for a queue which is not there."""
LOCKED = 405
"""The same for a queue that another connection has for itself."""


class PublishFailed(Unavailable):
    """A payload was not, or not certainly, accepted by the broker."""


class Unroutable(PublishFailed):
    """No queue takes it. The service that should own the queue has never been started."""


class Refused(PublishFailed):
    """The broker refused it, as a queue is full."""


class Overloaded(PublishFailed):
    """Too much is on its way already, or the broker is short of memory or disk. Nothing was sent."""


class Down(PublishFailed):
    """There is no connection to the broker just now. Nothing was sent."""


class Unconfirmed(PublishFailed):
    """No answer in time. It may have been accepted: send it again only where twice equals once."""


class Verdict(Exception):
    """What a handler says about a delivery that it did not handle."""


class Retry(Verdict):
    """Not now: the delivery comes again after a pause."""


class Restart(Verdict):
    """The handler lost its footing: close the channel and deliver everything unacknowledged again."""
