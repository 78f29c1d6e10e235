"""Each container stopped and started in the middle of a conversation; the gateways replaced one by one."""

import pytest
import yaml

from deploy.local.instance import REPOSITORY
from tests.edge.customers import Customer
from tests.edge.dialogue import Dialogue
from tests.system.containers.stack import LEFT_OUT, ContainerStack, is_lasting

SERVICES = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
LASTING = [name for name, said in SERVICES.items() if is_lasting(said) and name not in LEFT_OUT] + ["edge"]
EACH = 60


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", LASTING)
def test_a_container_stopped_and_started_in_mid_conversation_loses_nothing(
    containers: ContainerStack, customer: Customer, name: str
) -> None:
    dialogue = Dialogue(customer, EACH)
    dialogue.start()
    dialogue.wait_for(said=EACH // 2)
    containers.stop(name)
    containers.start_again(name)
    dialogue.finish()
    containers.wait_until_healthy(name)
    dialogue.close_and_check_the_transcript()


@pytest.mark.timeout(300)
def test_a_rolling_replacement_of_the_gateway_loses_nothing(containers: ContainerStack, customer: Customer) -> None:
    dialogue = Dialogue(customer, 10 * EACH, pause=0.05)
    dialogue.start()
    for old, new in (("gateway", "gateway-b"), ("gateway-b", "gateway")):
        dialogue.wait_for(said=dialogue.said + EACH)
        containers.start("gateway", as_another=new)
        containers.wait_until_healthy(new)
        containers.stop(old)
        containers.remove(old)
        assert dialogue.is_going_on
    dialogue.finish()
    dialogue.close_and_check_the_transcript()
