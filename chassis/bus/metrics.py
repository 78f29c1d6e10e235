"""What operators should know of the bus: losses, refusals, and what became of deliveries."""

from prometheus_client import Counter

connections_lost = Counter("velaro_bus_connections_lost", "Connections that broke or were closed.", ("connection",))
channels_renewed = Counter("velaro_bus_channels_renewed", "Channels given up after a refusal.", ("connection",))
consumers_cancelled = Counter("velaro_bus_consumers_cancelled", "Consumers that the broker ended.", ("connection",))
publish_failures = Counter("velaro_bus_publish_failures", "Publishes not accepted.", ("connection", "reason"))
deliveries = Counter("velaro_bus_deliveries", "Deliveries, by what became of them.", ("queue", "outcome"))
