"""Training: a loop that yields its results, all the state that a resume needs, and the run folder it writes."""
