"""Tickets: what a browser shows once, within a minute, to open its socket."""
