"""The ledger in Redis; nothing else in governor knows Redis."""

from governor.ledger.redis.client import Client, Guard, connect
from governor.ledger.redis.ledger import RedisLedger

__all__ = ["Client", "Guard", "RedisLedger", "connect"]
