"""The sixteen machines of DCASE 2024 Task 2, as data: speeds, attributes, domain shifts, faults.

Attribute strings have the form of 2024 (`pro_A_vel_4_loc_A`, `spd1000_BckgC`, none for the seven machines that hide them).
Weakest and strongest amplitudes are set so that a nearest neighbour on mean log-mel spectra scores like the baselines of 2024
do: see `tests/bench/bench_synth.py`, which prints it.
"""

from zoo.data.synth.machines import Clicks, Fault, Gears, Rotor, Setting, Slider
from zoo.data.synth.recording import Machine


def _settings(
    keys: str, *conditions: tuple[str, float] | tuple[str, float, float], patterns: dict[str, tuple[float, ...]] | None = None
) -> tuple[Setting, ...]:
    """Settings from attribute keys and, for each condition, the values, the speed, and the load if it is not 1."""
    made = []
    for values, speed, *load in conditions:
        attributes = tuple(zip(keys.split(), values.split(), strict=True))
        made.append(Setting(attributes, speed, load[0] if load else 1.0, patterns[values] if patterns else ()))
    return tuple(made)


_VALVE_PATTERNS = {
    "none A": (0.0, 0.45),
    "none B": (0.0, 0.2, 0.6),
    "A none": (0.1, 0.35, 0.75),
    "B A": (0.0, 0.15, 0.3, 0.7),
    "A B": (0.05, 0.3, 0.55, 0.65),
}
_SCANNER_PATTERNS = {"1 1": (0.0, 0.5), "2 1": (0.0, 0.35, 0.7), "2 2": (0.0, 0.2, 0.4, 0.8), "1 2": (0.0, 0.25, 0.6)}

_BEARING = Machine(
    "SynthBearing",
    Rotor(blades=9, flow=(400.0, 5000.0), wander=0.002),
    _settings("pro vel loc", ("A 4 A", 13.0), ("A 8 B", 17.0), ("A 12 A", 21.0)),
    _settings("pro vel loc", ("A 16 C", 25.0), ("A 20 D", 28.0, 1.3)),
    (Fault("impacts", 0.06, 0.45), Fault("rub", 0.08, 0.6), Fault("rattle", 0.03, 0.3)),
    ("hall", "press room"),
)
_FAN = Machine(
    "SynthFan",
    Rotor(blades=7, blade_gain=6.0, flow=(150.0, 2500.0), body=((250.0, 2.0), (800.0, 3.0))),
    _settings("n", ("A", 23.0), ("B", 24.0)),
    _settings("n", ("C", 24.5, 1.4)),
    (Fault("imbalance", 1.0, 6.0), Fault("chipped", 0.1, 0.6), Fault("rattle", 0.04, 0.45)),
    ("hall", "workshop"),
)
_GEARBOX = Machine(
    "SynthGearbox",
    Gears(teeth=31),
    _settings("pro wt", ("A 0", 22.0, 0.8), ("A 50", 21.0), ("A 100", 20.0, 1.2)),
    _settings("pro wt", ("A 150", 18.5, 1.4), ("A 200", 17.5, 1.6)),
    (Fault("tooth", 0.08, 0.8), Fault("wear", 0.2, 1.6), Fault("impacts", 0.05, 0.35)),
    ("hall", "ventilation"),
    hidden=True,
)
_SLIDER = Machine(
    "SynthSlider",
    Slider(),
    _settings("ac", ("0.03", 1.1), ("0.05", 1.25), ("0.07", 1.4)),
    _settings("ac", ("0.09", 1.6), ("0.11", 1.75, 1.3)),
    (Fault("irregular", 0.03, 0.3), Fault("scratch", 0.04, 0.3), Fault("slack", 0.06, 0.4)),
    ("hall", "ventilation"),
    hidden=True,
)
_TOY_CAR = Machine(
    "SynthToyCar",
    Rotor(blades=5, tilt=0.7, flow=(600.0, 5000.0), body=((700.0, 3.0), (2100.0, 4.0), (4500.0, 5.0))),
    _settings("car spd mic", ("A1 28V 1", 62.0), ("A2 31V 1", 69.0), ("B1 34V 1", 75.0)),
    _settings("car spd mic", ("C1 40V 2", 88.0), ("C2 37V 2", 82.0)),
    (Fault("chipped", 0.1, 0.7), Fault("rub", 0.1, 0.7), Fault("imbalance", 0.5, 4.0)),
    ("office", "workshop"),
    seconds=12.0,
)
_TOY_TRAIN = Machine(
    "SynthToyTrain",
    Rotor(blades=3, tilt=0.8, flow=(400.0, 3500.0), profile="laps", body=((500.0, 3.0), (1700.0, 4.0))),
    _settings("car spd mic", ("A1 6 1", 33.0), ("A2 7 1", 38.0), ("B1 8 1", 43.0)),
    _settings("car spd mic", ("C1 9 2", 49.0), ("C2 10 2", 54.0, 1.3)),
    (Fault("rattle", 0.04, 0.45), Fault("chipped", 0.08, 0.6), Fault("rub", 0.06, 0.5)),
    ("office", "hall"),
    seconds=12.0,
    hidden=True,
)
_VALVE = Machine(
    "SynthValve",
    Clicks(),
    _settings("v1pat v2pat", ("none A", 1.0), ("none B", 1.0), ("A none", 1.0), patterns=_VALVE_PATTERNS),
    _settings("v1pat v2pat", ("B A", 1.0), ("A B", 1.0), patterns=_VALVE_PATTERNS),
    (Fault("missing", 0.05, 0.6), Fault("dull", 0.1, 0.9), Fault("leak", 0.05, 0.5)),
    ("hall", "press room"),
    snr=(0.0, -2.0),
)

_3D_PRINTER = Machine(
    "Synth3DPrinter",
    Rotor(blades=4, tilt=0.6, blade_gain=5.0, flow=(800.0, 4000.0), wander=0.01, body=((350.0, 4.0), (1100.0, 5.0))),
    _settings("mdl spd", ("A 1", 31.0), ("A 2", 36.0), ("B 1", 33.0)),
    _settings("mdl spd", ("B 2", 40.0), ("C 2", 43.0)),
    (Fault("rub", 0.1, 0.8), Fault("rattle", 0.04, 0.45), Fault("imbalance", 0.5, 4.0)),
    ("office", "hall"),
    first_index=1,
)
_AIR_COMPRESSOR = Machine(
    "SynthAirCompressor",
    Rotor(blades=2, tilt=1.2, flow=(200.0, 4000.0), body=((160.0, 3.0), (620.0, 3.0))),
    _settings("fl nos", ("0 1", 24.0), ("0 2", 24.4), ("1 1", 23.6, 1.2)),
    _settings("fl nos", ("1 3", 23.0, 1.5), ("0 3", 23.3, 1.4)),
    (Fault("leak", 0.03, 0.3), Fault("impacts", 0.06, 0.4), Fault("rattle", 0.03, 0.3)),
    ("hall", "ventilation"),
    hidden=True,
    first_index=1,
)
_BRUSHLESS_MOTOR = Machine(
    "SynthBrushlessMotor",
    Rotor(blades=7, tilt=0.9, blade_gain=5.0, flow=(1000.0, 6000.0), defect_ratio=2.87),
    _settings("spd Bckg", ("1000 A", 52.0), ("1500 A", 63.0), ("2000 B", 74.0)),
    _settings("spd Bckg", ("2500 C", 85.0), ("3000 C", 95.0)),
    (Fault("impacts", 0.08, 0.6), Fault("imbalance", 0.5, 4.0), Fault("rub", 0.1, 0.8)),
    ("office", "workshop"),
    hidden=True,
    glued=True,
)
_HAIR_DRYER = Machine(
    "SynthHairDryer",
    Rotor(blades=11, tilt=0.8, flow=(500.0, 6500.0), body=((900.0, 2.0), (2600.0, 3.0)), wander=0.003),
    _settings("id spd mic", ("C1 1 1", 118.0), ("C2 1 1", 123.0), ("C3 2 1", 141.0)),
    _settings("id spd mic", ("C4 2 2", 149.0, 1.3), ("C4 1 2", 128.0)),
    (Fault("chipped", 0.1, 0.8), Fault("rub", 0.1, 0.8), Fault("rattle", 0.04, 0.45)),
    ("office", "workshop"),
)
_HOVERING_DRONE = Machine(
    "SynthHoveringDrone",
    Rotor(blades=2, tilt=0.7, blade_gain=3.0, flow=(500.0, 6000.0), profile="hover", body=((400.0, 2.0), (1600.0, 3.0))),
    _settings("id spd mic", ("A1 1 1", 92.0), ("A2 1 1", 96.0), ("A1 2 1", 104.0)),
    _settings("id spd mic", ("A2 3 2", 113.0), ("A1 3 2", 110.0, 1.2)),
    (Fault("chipped", 0.08, 0.5), Fault("imbalance", 0.4, 3.0), Fault("rattle", 0.04, 0.45)),
    ("office", "hall"),
    hidden=True,
)
_ROBOTIC_ARM = Machine(
    "SynthRoboticArm",
    Gears(teeth=23, move=1.1, friction=(700.0, 3500.0), body=((500.0, 3.0), (1500.0, 4.0))),
    _settings("weight Bckg", ("5 A", 34.0, 0.8), ("10 A", 33.0), ("15 B", 32.0, 1.2)),
    _settings("weight Bckg", ("20 F", 30.0, 1.4), ("25 F", 29.0, 1.6)),
    (Fault("tooth", 0.1, 0.9), Fault("wear", 0.3, 2.5), Fault("rattle", 0.04, 0.45)),
    ("hall", "ventilation"),
    glued=True,
)
_SCANNER = Machine(
    "SynthScanner",
    Clicks(ring=1700.0, decay=0.006, rush=(800.0, 3000.0), rush_seconds=0.2, hum=1.0, body=((600.0, 3.0), (2600.0, 4.0))),
    _settings("res len", ("1 1", 0.9), ("2 1", 0.9), ("2 2", 0.8), patterns=_SCANNER_PATTERNS),
    _settings("res len", ("1 2", 0.8), patterns=_SCANNER_PATTERNS),
    (Fault("missing", 0.1, 0.7), Fault("late", 0.04, 0.3), Fault("dull", 0.2, 1.2)),
    ("office", "hall"),
    snr=(1.0, 0.0),
    first_index=1,
)
_TOOTH_BRUSH = Machine(
    "SynthToothBrush",
    Rotor(blades=2, tilt=0.9, blade_gain=3.0, flow=(1500.0, 6000.0), body=((500.0, 3.0), (1900.0, 4.0)), wander=0.002),
    _settings("id spd mic", ("A1 1 1", 130.0), ("A2 1 1", 133.0), ("A1 2 1", 128.0)),
    _settings("id spd mic", ("A2 2 2", 138.0), ("A1 3 2", 141.0)),
    (Fault("imbalance", 0.3, 2.5), Fault("rub", 0.1, 0.8), Fault("rattle", 0.04, 0.45)),
    ("office", "hall"),
    hidden=True,
)
_TOY_CIRCUIT = Machine(
    "SynthToyCircuit",
    Rotor(blades=3, tilt=0.7, flow=(600.0, 5000.0), profile="stop-and-go", body=((800.0, 3.0), (2300.0, 4.0))),
    _settings("id spd mic", ("C1 3 1", 45.0), ("C1 4 1", 51.0), ("C2 3 1", 47.0)),
    _settings("id spd mic", ("C2 4 2", 57.0), ("C2 5 2", 62.0)),
    (Fault("rattle", 0.04, 0.45), Fault("chipped", 0.1, 0.8), Fault("rub", 0.08, 0.6)),
    ("office", "workshop"),
)

DEV = (_BEARING, _FAN, _GEARBOX, _SLIDER, _TOY_CAR, _TOY_TRAIN, _VALVE)
EVAL = (
    _3D_PRINTER,
    _AIR_COMPRESSOR,
    _BRUSHLESS_MOTOR,
    _HAIR_DRYER,
    _HOVERING_DRONE,
    _ROBOTIC_ARM,
    _SCANNER,
    _TOOTH_BRUSH,
    _TOY_CIRCUIT,
)
