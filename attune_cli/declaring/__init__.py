"""Rules and triggers as people write them: on a command line, in an editor, in files."""
