"""Records, topics, columns and errors: the words every layer of goldendog shares."""
