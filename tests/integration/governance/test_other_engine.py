"""What the running engine cannot check is not proposed from there."""

import pytest

from policies import cel, loader
from tests.kit.governing import govern, lay, written
from workers.governance import NotProposed
from workers.governance.proposing import examine


@pytest.fixture
def house(engine, tmp_path):
    """Its first policy was checked; then it runs on the engine that cannot check any."""
    made = govern(engine, lay(tmp_path / "policy", written()))
    cel.choose("rust")
    yield made
    cel.choose("auto")


def test_an_engine_that_cannot_check_conditions_proposes_nothing(house):
    with pytest.raises(NotProposed, match="cannot check the types of conditions"):
        examine(house.system, loader.read(loader.SHIPPED))
