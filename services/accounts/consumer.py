"""Hears nothing; announces what accounts wrote into its outbox."""

from chassis import operations
from chassis.bus import Bus
from chassis.commands import stop_when_told
from chassis.outbox import Dispatcher
from services.accounts.bootstrap import SERVICE, bootstrap


def main() -> None:
    """Run until told to stop."""
    stop = stop_when_told()
    context = bootstrap()
    bus = Bus(context.settings.amqp_url.get_secret_value(), service=SERVICE)
    bus.start()
    operations.serve(SERVICE, context.settings.operations_bind, parts={"bus": bus}, database=context.database)
    try:
        Dispatcher(context.database, bus).run(stop)
    finally:
        bus.close()
