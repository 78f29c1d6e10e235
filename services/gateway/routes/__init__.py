"""The ways in over HTTP, by audience: visitors, operators, and whoever opens a page."""
