"""Training runs, and the folders they are kept in."""
