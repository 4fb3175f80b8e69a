"""What the command lines share; it imports nothing of ours but the library's atomic files."""
