"""`python -m tests.servers up|down`: keeps the servers of the tests running between test runs.

Then `pytest` starts in a second instead of in twenty.
"""

import shutil
import sys

from deploy.local.stack import Stack
from tests.conftest import KEPT, test_instance

if __name__ == "__main__":
    stack = Stack(test_instance(KEPT))
    {"up": stack.up_servers, "down": stack.down}[sys.argv[1]]()
    if sys.argv[1] == "down":
        # What a test left behind must not meet the next run.
        shutil.rmtree(KEPT, ignore_errors=True)
