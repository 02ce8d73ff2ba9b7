"""Lists and single records of what is kept in the file."""
