"""`python -m deploy.local up|down|status`: what `make up` and `make down` call."""

import argparse
import sys
from pathlib import Path

from deploy.local import demo
from deploy.local.broker import BrokerMissing
from deploy.local.database import DatabaseMissing
from deploy.local.instance import REPOSITORY, Instance, Ports
from deploy.local.stack import Stack
from deploy.local.waiting import NeverHappened


def main() -> int:
    arguments = _arguments()
    instance = Instance(root=arguments.root.resolve(), ports=Ports(arguments.port))
    stack = Stack(instance)
    try:
        {"up": up, "down": down, "status": status}[arguments.command](stack)
    except (BrokerMissing, DatabaseMissing, NeverHappened) as problem:
        print(f"{problem}\nThe logs are in {instance.folder('log')}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--root", type=Path, default=REPOSITORY / "var", help="folder of the instance's state")
    parser.add_argument("--port", type=int, default=8080, help="the gateway's port; the others follow it")
    return parser.parse_args()


def up(stack: Stack) -> None:
    if stack.is_up() and stack.instance.demo_file.exists():
        print("Velaro is already up")
    else:
        stack.up()
        demo.seed(stack.instance)
    demo.print_addresses(stack.instance)


def down(stack: Stack) -> None:
    stack.down()
    print("Velaro is down")


def status(stack: Stack) -> None:
    if not stack.supervisor.is_running():
        print("Velaro is down")
        return
    for process in stack.supervisor.processes():
        print(f"{process['name']:22} {process['statename']:10} {process['description']}")


if __name__ == "__main__":
    sys.exit(main())
