"""The sample day at Marigold Shoes, from its first moment to its last."""

import hashlib

from governor.demo import afternoon, morning
from governor.demo.people import PEOPLE
from governor.demo.script import Beat

__all__ = ["BEATS", "BEGIN", "END", "KEY", "PEOPLE", "SHOP_NAME"]

SHOP_NAME = "Marigold Shoes"
# Of no use to anybody else: the people are invented, and one key makes every run the same.
KEY = hashlib.sha256(b"the sample day at Marigold Shoes").digest()
BEATS: tuple[Beat, ...] = (*morning.BEATS, *afternoon.BEATS)
BEGIN, END = BEATS[0].at, BEATS[-1].at
