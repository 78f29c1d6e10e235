"""The businesses that have an account with us: the tenants."""
