"""The model, its losses and metrics, its config and its checkpoints; nothing here knows a command or a terminal.

Shape suffixes of tensors, one letter an axis:

    B  clips in a batch          T  frames of a clip
    C  channels                  H, W  pixels (or latent positions) down and across
    N  any flat list             K  codebook entries          D  code dimension
    P  codes of a position

`frames_BTCHW` holds pixels in [-1, 1], or in [0, 1] where a docstring says so; `tokens_BTHW` holds codebook indices.
A single frame is a clip with T = 1.
"""
