"""A pinhole camera that looks at the table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """At `position`, with `axes` (3, 3) as rows right, down, forward; focal length and picture size in pixels."""

    position: Vector
    axes: Vector
    focal: float
    height: int
    width: int

    def project(self, points: Vector) -> Vector:
        """Pixel positions (N, 2) as x, y of points (N, 3) in front of the camera."""
        seen = (points - self.position) @ self.axes.T
        centre = np.array([self.width / 2, self.height / 2])
        return np.asarray(seen[:, :2] / seen[:, 2:] * self.focal + centre)

    def pixels_per_metre(self, point: Vector) -> float:
        """How large a metre at `point` (3,) appears."""
        return self.focal / self.distance(point)

    def distance(self, point: Vector) -> float:
        """Of `point` (3,) along the line of sight."""
        return float((point - self.position) @ self.axes[2])

    def rays(self) -> Vector:
        """Directions (H, W, 3) through the middle of every pixel."""
        across = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        down = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal
        grid = np.stack([*np.meshgrid(across, down), np.ones((self.height, self.width))], axis=-1)
        return np.asarray(grid @ self.axes)

    def plane_points(self, rays: Vector, axis: int, level: float) -> Vector:
        """Where rays (N, 3) meet the plane on which coordinate `axis` is `level`."""
        return np.asarray(self.position + rays * ((level - self.position[axis]) / rays[:, axis, None]))


def look_at(position: Vector, target: Vector, field_of_view: float, height: int, width: int) -> Camera:
    """A camera at `position` whose middle pixel sees `target`; horizontal field of view in radians, no roll."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward])
    return Camera(position, axes, width / 2 / np.tan(field_of_view / 2), height, width)
