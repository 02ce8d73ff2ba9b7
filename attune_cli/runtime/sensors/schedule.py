"""When a sensor that ended is started again."""

from __future__ import annotations

from attune_cli.values import immutable


@immutable(kw_only=True)
class Schedule:
    """Pauses in seconds: the first, doubled at each further failure in a row, up to the longest (domain.md 3.4)."""

    first_seconds: float = 5.0
    longest_seconds: float = 300.0
    healthy_seconds: float = 60.0
    """A sensor that ran so long has not failed in a row."""
    alert_at: int = 3
    """The failure in a row with which `core.alert` is fired, once."""

    def pause_seconds(self, failures: int) -> float:
        """Return the pause after so many failures in a row, from 1."""
        doublings = min(failures - 1, 32)  # beyond that every pause is the longest
        return min(self.longest_seconds, self.first_seconds * 2.0**doublings)
