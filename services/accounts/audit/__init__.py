"""What operators and staff did: one chain of entries for each customer, in which nothing can be changed unseen."""
