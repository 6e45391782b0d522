"""Secrets by door and by destination: what was planted, and what of it came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from leaks.doors import DOORS
from leaks.scenes import Played
from leaks.searching import table


class Matrix:
    """All scenes of some doors together.

    Attributes:
        played: by scene.
        doors: through which something was planted.
    """

    def __init__(self, played: Mapping[str, Played], doors: Sequence[str] = DOORS) -> None:
        self.played = played
        self.doors = doors

    @cached_property
    def leaks(self) -> list[tuple[str, str, str, str]]:
        """Secret, door, scene and destination of each."""
        return sorted(
            (secret, door, scene, place)
            for scene, played in self.played.items()
            for place, found in played.found.items()
            for secret, door in found
        )

    @cached_property
    def secrets(self) -> list[str]:
        """The names of all secrets."""
        return list(
            dict.fromkeys(
                name
                for played in self.played.values()
                for plant in played.plants.values()
                for name in plant.secrets
            )
        )

    @cached_property
    def destinations(self) -> list[str]:
        """Every place that was searched, by scene where it is another one."""
        return [f"{scene}: {place}" for scene, played in self.played.items() for place in played.places]

    @property
    def markers(self) -> dict[str, set[str]]:
        """Marker -> doors through which it reached the store, in every scene."""
        seen: dict[str, set[str]] = {}
        first = next(iter(self.played.values()))
        for door in self.doors:
            for name in first.plants[door].markers:
                values = [each.plants[door].markers[name].encode() for each in self.played.values()]
                stores = [each.places["SQLite"] for each in self.played.values()]
                held = all(value in store for value, store in zip(values, stores, strict=True))
                seen.setdefault(name, set()).update({door} if held else ())
        return seen

    def text(self) -> str:
        """Both tables and the sums."""
        from leaks.expected import figures

        by_door: dict[str, set[str]] = {}
        by_place: dict[str, set[str]] = {}
        for secret, door, scene, place in self.leaks:
            by_door.setdefault(secret, set()).add(door)
            by_place.setdefault(secret, set()).add(f"{scene}: {place}")
        seen = [name for name, doors in self.markers.items() if doors == set(self.doors)]
        return "\n\n".join(
            (
                table("secret, by door", self.secrets, self.doors, by_door),
                table("secret, by destination", self.secrets, self.destinations, by_place),
                figures(len(self.secrets), len(by_door), len(seen), len(self.markers)),
                f"captured: {', '.join(seen)}",
            )
        )
