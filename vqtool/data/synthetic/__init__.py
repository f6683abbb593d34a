"""A small invented world: an arm pushes coloured shapes over a textured table, seen by two cameras.

`motion` moves arm and shapes, `camera` projects, `textures` colours table, floor and wall, `drawing` paints a frame.
Coordinates are metres: x to the right, y away from the front camera, z up; the table's top is z = 0.
"""
