"""Who is signed in: sessions of people in the console, API tokens of their programs."""
