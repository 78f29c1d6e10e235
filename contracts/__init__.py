"""What the services know of each other: events and commands, declared once. Knows no transport."""
