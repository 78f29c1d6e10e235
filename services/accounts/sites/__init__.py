"""The websites of customers, and how the widget behaves on each."""
