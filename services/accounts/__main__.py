"""The processes of accounts: ``python -m services.accounts web|consumer|seed``."""

from chassis import commands
from services.accounts import consumer, seed
from services.accounts.bootstrap import SERVICE, bootstrap

PROCESSES = {"web": commands.web(SERVICE, check=bootstrap), "consumer": consumer.main, "seed": seed.main}

if __name__ == "__main__":
    commands.run(SERVICE, PROCESSES)
