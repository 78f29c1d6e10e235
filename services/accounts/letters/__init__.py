"""Single mails to the people of one customer, each sent once: reminders, decisions."""
