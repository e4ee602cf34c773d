"""Private servers: a Postgres and a RabbitMQ of one's own, on this machine, for as long as they are needed.

`des dev`, the tests and the benchmarks run on real servers and never on the ones this machine may already have. Each
`PrivatePostgres` and `PrivateRabbitMQ` lives in a folder of its own, listens on loopback on a free port, needs neither
root nor a service manager (as root, Postgres runs as the user its package made), and is durable as in production:
nothing here is tuned by turning fsync off.

    server = PrivatePostgres(folder)
    await server.start()        # first time: makes the data directory; returns when connections are taken
    server.url                  # postgresql://postgres:…@127.0.0.1:24711/des; stays the same over restarts
    await server.kill()         # SIGKILL, as a power cut would
    await server.start()        # recovers what was committed
    await server.stop()

They are Services (`des.lifecycle`). `tied=True`, the default, has the kernel end them when the thread that started
them dies, even by SIGKILL: make them in the main thread. Tests that kill DES and keep its servers pass `tied=False`.

| it fails… | then |
|---|---|
| a package is not installed | ConfigError names it |
| the folder cannot be reached by the user Postgres runs as | ConfigError names the directory in the way |
| the server does not come up in time | StackError with the last lines of its log |

`process.py` is what both have in common, `programs.py` finds what is installed.
"""

from des.stack.postgres import PrivatePostgres
from des.stack.process import StackError
from des.stack.rabbitmq import PrivateRabbitMQ

__all__ = ["PrivatePostgres", "PrivateRabbitMQ", "StackError"]
