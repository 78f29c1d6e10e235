"""What was sent, acknowledged, stored and seen, and the checker that compares them."""
