"""The arm's path and what it pushes: discs on a plane, moved aside by the tool and by one another."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Kind = Literal["prism", "ball"]

HALF_TABLE = 0.42
"""Shapes stay within this distance of the table's centre on each axis."""
TOOL_RADIUS = 0.035
PUSH_HEIGHT = 0.03
TRAVEL_HEIGHT = 0.2
MAX_STEP = 0.085
"""The farthest that the tool moves in a frame."""
SUBSTEPS = 4


@dataclass(frozen=True)
class Shape:
    """A thing on the table: a prism of `num_sides` sides (many: a cylinder) or a ball; sizes in metres."""

    kind: Kind
    num_sides: int
    radius: float
    height: float
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Episode:
    """T frames of motion: tool (T, 5) as x, y, z, yaw, grip; actions (T - 1, 4) as changes of x, y, z, yaw.

    `centres` (T, N, 2) and `angles` (T, N) place the N shapes.
    """

    shapes: tuple[Shape, ...]
    tool: Vector
    actions: Vector
    centres: Vector
    angles: Vector


def simulate(rng: np.random.Generator, shapes: tuple[Shape, ...], num_frames: int) -> Episode:
    """Let the arm approach and push one shape after the other for `num_frames` frames."""
    radii = np.array([shape.radius for shape in shapes])
    centres = _scatter(rng, radii)
    angles = rng.uniform(0, 2 * np.pi, len(shapes))
    tool = np.array([*rng.uniform(-0.3, 0.3, 2), TRAVEL_HEIGHT, rng.uniform(-1, 1), rng.uniform(0.2, 1)])
    waypoints: list[Vector] = []
    tools, all_centres, all_angles = [], [], []
    for _ in range(num_frames):
        tools.append(tool.copy())
        all_centres.append(centres.copy())
        all_angles.append(angles.copy())
        if not waypoints:
            waypoints = _plan_push(rng, centres, radii)
        step = _towards(tool[:3], waypoints[0]) + rng.normal(0, 0.002, 3)
        for _ in range(SUBSTEPS):
            tool[:3] += step / SUBSTEPS
            if tool[2] < 2 * PUSH_HEIGHT:
                _push(tool[:2], centres, angles, radii)
        tool[3] += 0.5 * np.clip(np.arctan2(step[1], step[0]) - tool[3], -0.3, 0.3)
        if np.linalg.norm(waypoints[0] - tool[:3]) < 0.02:
            waypoints.pop(0)
    path = np.array(tools)
    return Episode(shapes, path, np.diff(path[:, :4], axis=0), np.array(all_centres), np.array(all_angles))


def _scatter(rng: np.random.Generator, radii: Vector) -> Vector:
    """Places (N, 2) on the table that do not overlap."""
    centres = rng.uniform(-0.7, 0.7, (len(radii), 2)) * HALF_TABLE
    for _ in range(40):
        _separate(centres, np.zeros(len(radii)), radii * 1.25)
    return centres


def _plan_push(rng: np.random.Generator, centres: Vector, radii: Vector) -> list[Vector]:
    """Waypoints: above the far side of a shape, down, through it towards the middle of the table, up again."""
    target = int(rng.integers(len(centres)))
    centre = centres[target]
    towards_middle = np.arctan2(-centre[1], -centre[0]) + rng.normal(0, 0.6)
    direction = np.array([np.cos(towards_middle), np.sin(towards_middle)])
    start = np.clip(centre - direction * (radii[target] + TOOL_RADIUS + 0.03), -HALF_TABLE, HALF_TABLE)
    end = np.clip(centre + direction * rng.uniform(0.15, 0.35), -HALF_TABLE, HALF_TABLE)
    heights = (TRAVEL_HEIGHT, PUSH_HEIGHT, PUSH_HEIGHT, TRAVEL_HEIGHT)
    return [np.array([*place, height]) for place, height in zip((start, start, end, end), heights, strict=True)]


def _towards(position: Vector, target: Vector) -> Vector:
    gap = target - position
    distance = float(np.linalg.norm(gap))
    return gap * min(1.0, MAX_STEP / distance) if distance > 0 else gap


def _push(tool: Vector, centres: Vector, angles: Vector, radii: Vector) -> None:
    """Move what the tool overlaps out of its way, then what that overlaps."""
    gaps = centres - tool
    distances = np.linalg.norm(gaps, axis=1) + 1e-9
    overlaps = np.maximum(radii + TOOL_RADIUS - distances, 0)
    normals = gaps / distances[:, None]
    centres += normals * overlaps[:, None]
    # An off-centre push turns the shape: as much as the contact lies beside the line to the table's middle.
    angles += overlaps * 6 * np.sign(normals[:, 0] * centres[:, 1] - normals[:, 1] * centres[:, 0])
    _separate(centres, angles, radii)


def _separate(centres: Vector, angles: Vector, radii: Vector) -> None:
    for one in range(len(centres)):
        for other in range(one):
            gap = centres[one] - centres[other]
            distance = float(np.linalg.norm(gap)) + 1e-9
            overlap = radii[one] + radii[other] - distance
            if overlap > 0:
                shift = gap / distance * overlap / 2
                centres[one] += shift
                centres[other] -= shift
                angles[one] += overlap
                angles[other] -= overlap
    np.clip(centres, -HALF_TABLE, HALF_TABLE, out=centres)
