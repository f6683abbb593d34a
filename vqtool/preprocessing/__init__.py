"""From raw videos to a frame store: read, decode and resize in worker processes, write in one order."""
