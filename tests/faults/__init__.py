"""Faults under load: parts are killed, put to sleep, cut off and starved, and a ledger has every message."""
