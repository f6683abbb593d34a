"""The terminal dashboard: watches run folders, live or afterwards; never talks to the training process directly.

`reader`, `watcher`, `state`, `store`, `alarms` and `summary` know no terminal library; `plotting` turns arrays into
characters; `panels`, the screens and `app` are Textual. torch is imported nowhere here.
"""
