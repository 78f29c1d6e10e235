"""Identifiers: opaque to everybody else, ordered by time for the database's sake."""

from uuid6 import uuid7


def new_id() -> str:
    """A fresh identifier. Never a secret: whoever has seen one can guess its neighbours."""
    return str(uuid7())
