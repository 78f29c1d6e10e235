"""The privacy policy: its versions, the one in force, and the one to come."""
