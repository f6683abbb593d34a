"""Tokens for others: the tokenizer as a library, publishing it, and whole frame stores as tokens and back."""
