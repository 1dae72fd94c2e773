"""Where values come from. `evidence` decides, `forms` knows how people write things, `skeleton` what looks alike."""

from workers.agents.origins.evidence import Evidence, Origin, Unknowns, leaves, origins, prices, unknowns
from workers.agents.origins.forms import EMAIL, IBAN, INVISIBLE, LINK, exact, minor_units, normal, readable

__all__ = [
    "EMAIL",
    "IBAN",
    "INVISIBLE",
    "LINK",
    "Evidence",
    "Origin",
    "Unknowns",
    "exact",
    "leaves",
    "minor_units",
    "normal",
    "origins",
    "prices",
    "readable",
    "unknowns",
]
