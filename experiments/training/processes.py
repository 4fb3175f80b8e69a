"""Processes that train together: how they find each other, and how one that cannot go on ends."""

import contextlib
import os
import re
import socket
import sys
import time
import traceback
from collections.abc import Iterator

from cli.errors import UserError, one_line
from experiments.training.cluster import Cluster

# How long the other processes wait for the first, which makes the data, in seconds.
PATIENCE = 1800
# In what JAX says of a connection to a process that has ended.
LOST = re.compile("(closed|reset) by peer|Broken pipe|UNAVAILABLE")


def check_address(cluster: Cluster) -> None:
    """Refuse an address that the first process cannot listen at: JAX may crash there."""
    host, port = _address(cluster)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"expected --coordinator at an address of this machine, got {cluster.coordinator} "
            f"({one_line(error)})"
        ) from None


def wait_for_first(cluster: Cluster) -> None:
    """Wait until the first process listens: JAX would end this one with a stack trace.

    Raises:
        UserError: it does not for `PATIENCE` seconds.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(_address(cluster), timeout=5).close()
        except (OSError, OverflowError) as error:
            if time.monotonic() > until:
                raise UserError(
                    f"expected process 0 at {cluster.coordinator} within {PATIENCE} seconds "
                    f"({one_line(error)})"
                ) from None
        time.sleep(1)


@contextlib.contextmanager
def leaving_at_once(cluster: Cluster) -> Iterator[None]:
    """Here an error ends this process, which says why: JAX would wait for the others to end."""
    try:
        yield
    except Exception as error:
        if cluster.processes == 1:
            raise
        if isinstance(error, UserError | OSError):
            reason = one_line(error)
        elif LOST.search(str(error)):
            reason = f"another process has ended or cannot be reached ({one_line(error)[:200]})"
        else:
            traceback.print_exc()
            os._exit(1)
        print(f"train.py: error: {reason}", file=sys.stderr, flush=True)
        os._exit(2)


def _address(cluster):
    host, port = cluster.coordinator.rsplit(":", 1)
    return host.strip("[]"), int(port)
