"""The suite: the rules, a chapter to a file, and beside them the machinery that runs them and tells what they found."""
