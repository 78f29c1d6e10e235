"""The people who work for us: apart from operators, and without a customer."""
