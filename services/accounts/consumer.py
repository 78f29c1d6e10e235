"""Hears nothing; announces what accounts wrote into its outbox."""

import signal
import threading

from chassis.bus import Bus
from chassis.outbox import Dispatcher
from services.accounts.bootstrap import SERVICE, bootstrap


def main() -> None:
    """Run until told to stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    context = bootstrap()
    bus = Bus(context.settings.amqp_url.get_secret_value(), service=SERVICE)
    bus.start()
    try:
        Dispatcher(context.database, bus).run(stop)
    finally:
        bus.close()


if __name__ == "__main__":
    main()
