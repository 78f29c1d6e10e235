"""Chat: conversations, their live message log, and the visitors who hold them."""
