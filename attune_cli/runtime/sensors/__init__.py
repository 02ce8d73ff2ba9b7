"""Sensors: the programs that make events, as the daemon runs them (domain.md 3.4).

`Sensors` is the part of the daemon. One thread serves all sensors, as coroutines: `Keeper` keeps one sensor running,
`SensorProcess` serves one process of it, `EngineIntake` hands what it tells to the engine, and no more is read until
that is committed.
"""

from attune_cli.runtime.sensors.part import Sensors
from attune_cli.runtime.sensors.schedule import Schedule

__all__ = ["Schedule", "Sensors"]
