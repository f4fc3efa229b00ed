"""Breaks the product in the way that MUTATION names: `pytest -p tests.faults.mutated`."""

import os

from tests.faults.mutations import apply

apply(os.environ["MUTATION"])
