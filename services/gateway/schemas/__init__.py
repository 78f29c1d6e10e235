"""What the public edge takes and gives over HTTP."""
