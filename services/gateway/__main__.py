"""The processes of gateway: ``python -m services.gateway web``."""

from chassis import commands
from services.gateway.bootstrap import SERVICE, check

PROCESSES = {"web": commands.web(SERVICE, check=check, configuration=f"services.{SERVICE}.serving")}

if __name__ == "__main__":
    commands.run(SERVICE, PROCESSES)
