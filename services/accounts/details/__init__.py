"""Contact and billing details of customers, confirmed each year, and the history of them."""
