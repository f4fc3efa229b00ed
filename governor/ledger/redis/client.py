"""How to reach Redis: one server, a replicated one or a cluster, with bounded patience."""

from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnectionError

Client = Redis | RedisCluster


class Guard:
    """Lets a ledger be used only as it was looked at and found whole.

    A server that was restarted or that took over may have lost its last writes. Whoever finds
    it whole admits it by its run id (those of a cluster with commas between); until then every
    new connection to it is refused, before a single command about a person is sent. A ledger
    that was emptied has another epoch, which every load sees.
    """

    def __init__(self) -> None:
        self.admitted: str | None = None
        self.epoch: str | None = None

    def admit(self, server: str, epoch: str | None) -> None:
        """Let the ledger of *epoch* on *server* be used."""
        self.admitted, self.epoch = server, epoch

    def shut(self) -> None:
        """Let no ledger be used, on open connections neither."""
        self.admitted = self.epoch = None

    async def greet(self, connection: Any) -> None:
        """Greet the server as usual, and ask who it is."""
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        found = run_id_of(await connection.read_response())
        if not found or found not in (self.admitted or "").split(","):
            raise LostConnectionError("this server has not been found whole yet")


def run_id_of(info: bytes | str) -> str:
    """Return the run id that INFO tells."""
    text = info.decode() if isinstance(info, bytes) else info
    found = [line for line in text.splitlines() if line.startswith("run_id:")]
    return found[0].partition(":")[2].strip() if found else ""


def connect(url: str, timeout: float = 2.0, guard: Guard | None = None) -> Client:
    """Return a client for *url*, not yet connected, that gives up after *timeout* seconds.

    Besides `redis://` and `rediss://`: `redis+cluster://[name:password@]host:port[,host:port]` and
    `redis+sentinel://[name:password@]host:port[,host:port]/service/database`. A *guard* is asked
    about every new connection.
    """
    limits: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    # Once more on a connection that was lost while idle; never after a late answer.
    again = Retry(NoBackoff(), 1, supported_errors=(LostConnectionError,))
    guarded = {} if guard is None else {"redis_connect_func": guard.greet}
    try:
        return _client(url, {**limits, **guarded, "protocol": 2, "retry": again})
    except ValueError as error:
        raise ValueError(f"GOVERNOR_REDIS: {error}") from None


def _client(url: str, options: dict[str, Any]) -> Client:
    written, _, rest = url.partition("://")
    if written in {"redis", "rediss", "unix"}:
        return Redis.from_url(url, **options)
    scheme, _, kind = written.partition("+")
    if scheme not in {"redis", "rediss"} or kind not in {"cluster", "sentinel"}:
        raise ValueError(
            f"`{written}://` is no way to Redis;"
            " use redis://, rediss://, redis+cluster:// or redis+sentinel://"
        )
    # Not `urlsplit`, which takes several hosts, one of them in brackets, for a broken address.
    rest, _, query = rest.partition("?")
    places, _, path = rest.partition("/")
    login, _, hosts = places.rpartition("@")
    name, _, password = map(unquote, login.partition(":"))
    options |= {"username": name or None, "password": password or None, "ssl": scheme == "rediss"}
    options |= {option: value for option, value in parse_qsl(query) if option[:4] == "ssl_"}
    if kind == "cluster":
        greet = options.pop("redis_connect_func", None)
        nodes = [ClusterNode(*address) for address in _addresses(hosts, 6379)]
        return _greeting(RedisCluster(startup_nodes=nodes, **options), greet)
    service, _, database = path.strip("/").partition("/")
    shared = {option: options[option] for option in options if option[:3] in {"soc", "ssl"}}
    watchers = _addresses(hosts, 26379)
    sentinel = Sentinel(watchers, 0, shared, **options)  # type: ignore[no-untyped-call]
    return cast("Redis", sentinel.master_for(service or "mymaster", db=int(database or 0)))


def _greeting(cluster: RedisCluster, greet: Any) -> RedisCluster:
    """Let *greet* be called on connections to every node, those that are found later included."""
    if greet is not None:
        manager = cluster.nodes_manager
        manager.connection_kwargs["redis_connect_func"] = greet
        for node in manager.startup_nodes.values():
            node.connection_kwargs["redis_connect_func"] = greet
    return cluster


def _addresses(hosts: str, port: int) -> list[tuple[str, int]]:
    found = [urlsplit(f"//{host}") for host in hosts.split(",")]
    return [(host.hostname or "localhost", host.port or port) for host in found]
