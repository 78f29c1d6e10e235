"""The mails that tell every customer of a new version of the policy, and the ledger of what was sent."""
