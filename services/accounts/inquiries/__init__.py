"""Questions to us, by mail and by the form; what they became, and what we answered."""
