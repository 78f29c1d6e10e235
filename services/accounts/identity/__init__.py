"""Who it really is: identity documents of operators, from their arrival to their destruction, and what they open."""
