"""Pretrained networks that measure how different frames look, in plain torch; always frozen, never in a checkpoint."""
