"""Painting one frame of an episode: a still background, then shadows, shapes and the arm from far to near."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vqtool.data import Frames
from vqtool.data.synthetic.camera import Camera
from vqtool.data.synthetic.motion import Episode, Shape
from vqtool.data.synthetic.textures import Texture

Vector = NDArray[np.float64]
Colour = tuple[int, int, int]
Pixel = tuple[float, float]

HALF_SLAB = 0.56
"""The table's top reaches this far from its centre on each axis."""
FLOOR, WALL = -0.45, 1.5
"""Height of the floor and distance of the wall."""
LIGHT = np.array([-0.45, -0.5, 0.74])
SHADOW = (0, 0, 0, 70)
SHOULDER = np.array([0.0, 0.66, 0.30])
LINK = 0.58
"""Length of each of the arm's two links."""
HAND, WRIST = np.array([0.0, 0.0, 0.06]), np.array([0.0, 0.0, 0.16])
"""Above the tip."""


@dataclass(frozen=True)
class Surroundings:
    """What does not move: textures, and the colour of the arm."""

    table: Texture
    floor: Texture
    wall: Texture
    arm: Colour


def paint_background(camera: Camera, surroundings: Surroundings) -> Image.Image:
    """Table, floor and wall as the camera sees them, with the arm's pedestal."""
    rays = camera.rays()
    x, y, z = camera.position
    downward = np.minimum(rays[..., 2], -1e-6)
    beside = [np.abs(place - rays[..., axis] * z / downward) for axis, place in enumerate((x, y))]
    on_table = (np.maximum(*beside) < HALF_SLAB) & (rays[..., 2] < 0)
    on_floor = ~on_table & (rays[..., 2] < 0) & (y + rays[..., 1] * (FLOOR - z) / downward < WALL)
    on_wall = ~on_table & ~on_floor
    picture = np.empty(rays.shape)
    picture[on_table] = _lit_table(surroundings.table, camera.plane_points(rays[on_table], axis=2, level=0.0))
    floor = camera.plane_points(rays[on_floor], axis=2, level=FLOOR)
    picture[on_floor] = 0.6 * surroundings.floor(floor[:, 0] * 0.6, floor[:, 1] * 0.6)
    wall = camera.plane_points(rays[on_wall], axis=1, level=WALL)
    picture[on_wall] = 0.9 * surroundings.wall(wall[:, 0], wall[:, 2])
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    painter = Painter(camera, image)
    painter.slab_edge(surroundings.table)
    painter.prism(np.array([0.0, SHOULDER[1]]), 0.09, SHOULDER[2], 20, 0.0, _scaled(surroundings.arm, 0.55))
    return image


def paint_frame(camera: Camera, background: Image.Image, episode: Episode, frame: int, arm: Colour) -> Frames:
    """Frame number `frame` of the episode, uint8 (H, W, 3)."""
    painter = Painter(camera, background.copy())
    tool = episode.tool[frame]
    centres, angles = episode.centres[frame], episode.angles[frame]
    elbow, wrist, tip = _joints(tool)
    for shape, centre in zip(episode.shapes, centres, strict=True):
        painter.shadow(centre, shape)
    painter.arm_shadow([SHOULDER, elbow, wrist, tip])
    depths = [camera.distance(np.array([*centre, 0.0])) for centre in centres]
    tool_depth = camera.distance(np.array([tool[0], tool[1], 0.0]))
    order = sorted(range(len(depths)), key=lambda number: -depths[number])
    nearer = [number for number in order if depths[number] < tool_depth]
    for number in order[: len(order) - len(nearer)]:
        painter.shape(centres[number], float(angles[number]), episode.shapes[number])
    painter.arm([SHOULDER, elbow, wrist, tip], float(tool[3]), float(tool[4]), arm)
    for number in nearer:
        painter.shape(centres[number], float(angles[number]), episode.shapes[number])
    return np.asarray(painter.image, dtype=np.uint8)


class Painter:
    """Draws things of the world into a picture."""

    def __init__(self, camera: Camera, image: Image.Image) -> None:
        self.camera = camera
        self.image = image
        self._draw = ImageDraw.Draw(image, "RGBA")

    def shape(self, centre: Vector, angle: float, shape: Shape) -> None:
        """A thing on the table."""
        if shape.kind == "ball":
            self._ball(np.array([*centre, shape.radius]), shape.radius, shape.colour)
        else:
            self.prism(centre, shape.radius, shape.height, shape.num_sides, angle, shape.colour)

    def prism(self, centre: Vector, radius: float, height: float, num_sides: int, angle: float, colour: Colour) -> None:
        """An upright prism on the table, lit from the left."""
        turns = angle + np.arange(num_sides) * 2 * np.pi / num_sides
        ring = centre + radius * _directions(turns)
        outward = _directions(turns + np.pi / num_sides)
        visible = np.einsum("ij,ij->i", outward, self.camera.position[:2] - ring) > 0
        light = 0.62 + 0.3 * outward @ LIGHT[:2]
        rings = [np.column_stack([ring, np.full(num_sides, level)]) for level in (0.0, height)]
        base, top = self._pixels(rings[0]), self._pixels(rings[1])
        for one in np.flatnonzero(visible):
            other = (one + 1) % num_sides
            self._draw.polygon([base[one], base[other], top[other], top[one]], fill=_scaled(colour, light[one]))
        self._draw.polygon(top, fill=_scaled(colour, 1.08))

    def shadow(self, centre: Vector, shape: Shape) -> None:
        """What a thing takes from the light on the table."""
        circle = centre + shape.radius * _directions(np.arange(16) * 2 * np.pi / 16)
        for share in (0.4, 0.7):
            reach = -LIGHT[:2] / LIGHT[2] * shape.height * share
            outline = np.column_stack([circle + reach, np.zeros(16)])
            self._draw.polygon(self._pixels(outline), fill=(0, 0, 0, 45))

    def arm_shadow(self, joints: Sequence[Vector]) -> None:
        """The arm's shadow on the table."""
        drops = [joint - LIGHT / LIGHT[2] * joint[2] for joint in joints]
        drops = [np.array([*np.clip(drop[:2], -HALF_SLAB, HALF_SLAB), 0.0]) for drop in drops]
        pixels = self._pixels(np.array(drops))
        width = max(round(0.07 * self.camera.pixels_per_metre(drops[-1])), 1)
        self._draw.line(pixels, fill=SHADOW, width=width, joint="curve")

    def arm(self, joints: Sequence[Vector], yaw: float, grip: float, colour: Colour) -> None:
        """Two links, their joints, and a hand with two fingers."""
        shoulder, elbow, wrist, tip = joints
        self._link(shoulder, elbow, 0.055, colour)
        self._link(elbow, wrist, 0.045, colour)
        for joint, radius in ((shoulder, 0.075), (elbow, 0.062), (wrist, 0.05)):
            self._ball(joint, radius, (74, 78, 86))
        across = np.array([np.cos(yaw), np.sin(yaw), 0.0]) * (0.018 + 0.022 * grip)
        self._link(wrist, tip + HAND, 0.024, (58, 60, 66))
        for side in (across, -across):
            self._link(tip + side + HAND, tip + side, 0.009, (40, 42, 46))

    def slab_edge(self, table: Texture) -> None:
        """The sides of the table's top that face the camera."""
        corners = HALF_SLAB * np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
        colour = table(np.zeros(1), np.zeros(1))[0]
        for one in range(4):
            first, second = corners[one], corners[(one + 1) % 4]
            outward = (first + second) / 2 / HALF_SLAB
            if outward @ (self.camera.position - first) > 0:
                thickness = np.array([0, 0, 0.05])
                shade = 0.5 + 0.15 * float(outward @ LIGHT)
                side = np.array([first, second, second - thickness, first - thickness])
                self._draw.polygon(self._pixels(side), fill=_scaled(colour, shade))

    def _link(self, start: Vector, end: Vector, radius: float, colour: Colour) -> None:
        scale = 2 * radius * self.camera.pixels_per_metre((start + end) / 2)
        light = np.array([-radius, 0.0, radius])
        lifts = (0.0, 0.12, 0.35)
        pixels = self._pixels(np.array([point + light * lift for lift in lifts for point in (start, end)]))
        for layer, (share, shade) in enumerate(((1.0, 0.6), (0.78, 0.95), (0.3, 1.25))):
            ends = pixels[2 * layer : 2 * layer + 2]
            fill = _scaled(colour, shade)
            self._draw.line(ends, fill=fill, width=max(round(scale * share), 1))
            for point in ends:
                self._circle(point, scale * share / 2, fill)

    def _ball(self, centre: Vector, radius: float, colour: Colour) -> None:
        shares = np.linspace(0, 1, 6)
        scale = radius * self.camera.pixels_per_metre(centre)
        pixels = self._pixels(centre + LIGHT * radius * 0.45 * shares[:, None])
        for share, point in zip(shares.tolist(), pixels, strict=True):
            self._circle(point, scale * (1 - 0.8 * share), _scaled(colour, 0.55 + 0.75 * share))

    def _circle(self, centre: Pixel, radius: float, fill: Colour) -> None:
        x, y = centre
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    def _pixels(self, points: Vector) -> list[Pixel]:
        return [(x, y) for x, y in self.camera.project(points).tolist()]


def _directions(angles: Vector) -> Vector:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _lit_table(texture: Texture, points: Vector) -> Vector:
    """The table's colours, brightest towards the light."""
    glow = 1.08 - 0.35 * np.hypot(points[:, 0] + 0.15, points[:, 1] + 0.15)
    return glow[:, None] * texture(points[:, 0], points[:, 1])


def _joints(tool: Vector) -> tuple[Vector, Vector, Vector]:
    """Elbow, wrist and tip for a tool at x, y, z: the wrist above the tip, the elbow above the line to the shoulder."""
    tip = tool[:3]
    wrist = tip + WRIST
    reach = wrist - SHOULDER
    distance = float(np.linalg.norm(reach))
    along = reach / distance
    up = np.array([0.0, 0.0, 1.0]) - along * along[2]
    up /= np.linalg.norm(up)
    bend = np.sqrt(max(LINK**2 - (distance / 2) ** 2, 0.01))
    return SHOULDER + reach / 2 + up * bend, wrist, tip


def _scaled(colour: Sequence[float] | Vector, factor: float) -> Colour:
    red, green, blue = (int(min(max(value * factor, 0), 255)) for value in colour)
    return red, green, blue
