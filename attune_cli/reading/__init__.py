"""What the words of a command line mean."""
