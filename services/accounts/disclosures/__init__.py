"""What we hand to others of a customer's conversations: who asked, who approved, exactly what, and who was told."""
