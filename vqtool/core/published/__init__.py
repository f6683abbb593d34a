"""Checkpoints of other VQGAN programs, made into checkpoint folders of ours."""
