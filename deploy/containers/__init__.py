"""What prepares an installation in containers: its secrets, its database, its demo customer."""
