"""What the broker of a cluster may do, shown by one that is alone."""

from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import pytest

from deploy.local import broker as local_broker
from deploy.local.instance import Instance

FORGED_LEADER = """
Name = rabbit_misc:r(<<"%s">>, queue, <<"%s">>),
Forge = fun(Q) -> amqqueue:set_pid(Q, {element(1, amqqueue:get_pid(Q)), 'lost@localhost'}) end,
case code:ensure_loaded(rabbit_db_queue) of
  {module, _} -> rabbit_db_queue:update(Name, Forge);
  _ -> rabbit_misc:execute_mnesia_transaction(fun() -> rabbit_amqqueue:update(Name, Forge) end)
end.
"""


@pytest.fixture
def lose_leader(servers: Instance, amqp_url: str) -> Callable[[str], None]:
    """Has the broker believe, until it looks again a few seconds later, that another node leads a queue."""
    vhost = unquote(urlsplit(amqp_url).path[1:])

    def lose(queue: str) -> None:
        local_broker.control(servers, "eval", FORGED_LEADER % (vhost, queue))

    return lose
