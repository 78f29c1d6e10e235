"""The members of a cluster, without running one."""

from collections import Counter
from pathlib import Path

from deploy.local.instance import WORKERS, Instance, Ports
from deploy.secrets import SERVICES
from tests import ports
from tests.faults.members import NUMBERS, Member


def test_no_broker_or_database_has_a_port_of_another_process(tmp_path: Path) -> None:
    whole = Instance(root=tmp_path, ports=Ports(ports.CLUSTER))
    of_services = [whole.ports.of(service) for service in SERVICES] + [whole.ports.operations_of(w) for w in WORKERS]
    taken = [*of_services, whole.ports.erlang_names, whole.ports.smtp, whole.ports.inbox]
    for number in NUMBERS:
        own = Member.of(whole, number).ports
        taken += [own.mongo, own.amqp, own.erlang_distribution]
    assert [port for port, times in Counter(taken).items() if times > 1] == []
