"""The people who work for a customer, and how they prove who they are."""
