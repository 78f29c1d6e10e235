"""Accounts: the customers, their sites and operators, who is signed in, and the privacy policy in force."""
