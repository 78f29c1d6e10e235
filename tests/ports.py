"""Where the instances of the tests have their ports; each takes the hundred from there, the cluster three.

``VELARO_TEST_PORT_SHIFT`` moves all of them, for two checkouts that test at once. They stay below 32768, from where
the kernel takes the ports of outgoing connections: a client that knocks at a closed port from that very port would be
talking to itself.
"""

import os

_SHIFT = int(os.environ.get("VELARO_TEST_PORT_SHIFT", "0"))

SERVERS = 18080 + _SHIFT
SYSTEM = 19080 + _SHIFT
UP_AND_DOWN = 28080 + _SHIFT
CLUSTER = 29080 + _SHIFT
BENCH = 30080 + _SHIFT
FAULTS = 31080 + _SHIFT
