"""A model on clips: scores, baselines beside it, and pictures of its reconstructions."""
