"""What the tests of faults share with those of the whole gate."""

from tests.e2e.conftest import make_stage

__all__ = ["make_stage"]
