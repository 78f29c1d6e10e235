"""`python -m tests.servers up|down`: keeps the servers of the tests running between test runs.

Then `pytest` starts in a second instead of in twenty.
"""

import sys

from deploy.local.stack import Stack
from tests.conftest import KEPT, test_instance

if __name__ == "__main__":
    stack = Stack(test_instance(KEPT))
    {"up": stack.up_servers, "down": stack.down}[sys.argv[1]]()
