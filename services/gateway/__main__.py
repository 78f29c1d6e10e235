"""The processes of gateway: ``python -m services.gateway web``."""

from functools import partial

from chassis import commands, settings
from services.gateway.settings import Settings

SERVICE = "gateway"
PROCESSES = {
    "web": commands.web(SERVICE, check=partial(settings.read, Settings), configuration=f"services.{SERVICE}.serving")
}

if __name__ == "__main__":
    commands.run(SERVICE, PROCESSES)
