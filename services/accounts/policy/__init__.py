"""The privacy policy: its draft, its versions, the one in force, and the notices of those to come."""
