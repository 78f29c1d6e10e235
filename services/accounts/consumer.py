"""Hears nothing; announces what accounts wrote into its outbox, and shows how many reviews are overdue."""

from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from chassis import operations
from chassis.bus import Bus
from chassis.commands import stop_when_told
from chassis.mongo import StoreUnavailable
from chassis.outbox import Dispatcher
from services.accounts.bootstrap import SERVICE, bootstrap
from services.accounts.disclosures.store import DisclosureStore


class OverdueReviews(Collector):
    """Counted when somebody asks: a number that is kept would be that of one process among many."""

    def __init__(self, disclosures: DisclosureStore) -> None:
        self._disclosures = disclosures

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield self._gauge()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        gauge = self._gauge()
        try:
            gauge.add_metric((), self._disclosures.overdue())
        except StoreUnavailable:
            return
        yield gauge

    @staticmethod
    def _gauge() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "velaro_disclosures_overdue_reviews", "Emergency disclosures that nobody has reviewed within 72 hours."
        )


def main() -> None:
    """Run until told to stop."""
    stop = stop_when_told()
    context = bootstrap()
    bus = Bus(context.settings.amqp_url.get_secret_value(), service=SERVICE)
    bus.start()
    REGISTRY.register(OverdueReviews(context.disclosures))
    operations.serve(SERVICE, context.settings.operations_bind, parts={"bus": bus}, database=context.database)
    try:
        Dispatcher(context.database, bus).run(stop)
    finally:
        bus.close()
