"""Where values come from. `evidence` decides, `forms` knows how people write things, `skeleton` what looks alike."""

from workers.agents.origins.evidence import Evidence, Origin, Unknowns, leaves, origins, unknowns
from workers.agents.origins.forms import EMAIL, IBAN, INVISIBLE, LINK, minor_units, normal, readable

__all__ = [
    "EMAIL",
    "IBAN",
    "INVISIBLE",
    "LINK",
    "Evidence",
    "Origin",
    "Unknowns",
    "leaves",
    "minor_units",
    "normal",
    "origins",
    "readable",
    "unknowns",
]
