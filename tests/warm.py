"""`cellam` in processes that begin warm: forked from one that has loaded its libraries already.

Python with torch and scanpy takes three seconds of a processor to start, a fork milliseconds. What
is forked is a process like any other: it has a number, streams, variables, limits and a working
directory of its own, is reached by signals, and ends as an interpreter ends. What it does not
show is what happens while the libraries are loaded.

    python warm.py serve SOCKET     the process that forks; it ends when its stdin does
    python warm.py run SOCKET ARG…  stands for `cellam ARG…` in a shell
"""

from __future__ import annotations

import gc
import json
import os
import resource
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

LIMITS = (resource.RLIMIT_FSIZE,)  # those that tests set


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


# The side of the tests ----------------------------------------------------------------------


class Warm:
    """A process to fork from, with the given variables and no others while it loads."""

    def __init__(self, **variables: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="warm-"))
        self.socket = str(self.folder / "socket")
        self.variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OMP_NUM_THREADS": "1",  # a thread does not survive a fork
            **variables,
        }
        self.process = subprocess.Popen(
            [sys.executable, __file__, "serve", self.socket],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.variables,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    @property
    def command(self) -> str:
        """What stands for `cellam` in a shell."""
        return f"{sys.executable} -S {__file__} run {self.socket}"

    def start(self, *args: object, code: str | None = None) -> Started:
        """Start `cellam ARG…` here and now, or `python -c CODE ARG…`."""
        out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        with Path(os.devnull).open("rb") as nothing:
            fds = {0: nothing.fileno(), 1: out.fileno(), 2: err.fileno()}
            connection, pid = _ask(self.socket, [str(arg) for arg in args], fds, code)
        return Started(pid, connection, out, err)

    def run(self, *args: object, code: str | None = None) -> Result:
        """The same, and wait for its end."""
        return self.start(*args, code=code).end()

    def close(self) -> None:
        """End it, and whatever still runs of what was forked."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)
        shutil.rmtree(self.folder)


@dataclass
class Started:
    """A process that runs, or has ended."""

    pid: int
    connection: socket.socket
    out: IO[bytes]
    err: IO[bytes]

    def ended(self) -> bool:
        return bool(select.select([self.connection], [], [], 0)[0])

    def send(self, number: int) -> None:
        """A signal, unless it has ended: its number may be another's by then."""
        if not self.ended():
            os.kill(self.pid, number)

    def kill(self) -> Result:
        self.send(signal.SIGKILL)
        return self.end()

    def end(self, timeout: float = 120.0) -> Result:
        """Wait for its end; the code is minus the number of the signal that killed it."""
        if not select.select([self.connection], [], [], timeout)[0]:
            self.send(signal.SIGKILL)
            raise TimeoutError(f"process {self.pid} did not end in {timeout:.0f} seconds")
        with self.connection, self.out, self.err:
            code = _number(self.connection)
            self.out.seek(0)
            self.err.seek(0)
            return Result(code, self.out.read().decode(), self.err.read().decode())


def wait_until(found: Any, process: Started) -> None:
    """Wait until something was found, or the process has ended."""
    while not found() and not process.ended():
        time.sleep(0.02)


# The message --------------------------------------------------------------------------------


def _ask(
    path: str, args: list[str], fds: Mapping[int, int], code: str | None = None
) -> tuple[socket.socket, int]:
    """Ask for a process with these streams, and with the directory and variables of this one."""
    message = {
        "args": [_text(os.fsencode(arg)) for arg in args],
        "env": {_text(name): _text(value) for name, value in os.environb.items()},
        "limits": [resource.getrlimit(limit) for limit in LIMITS],
        "fds": list(fds),
        "code": code,
    }
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    here = os.open(".", os.O_RDONLY)  # also of a directory that is gone
    socket.send_fds(connection, [b"."], [here, *fds.values()])
    os.close(here)
    connection.sendall(json.dumps(message).encode() + b"\n")
    return connection, _number(connection)


def _number(connection: socket.socket) -> int:
    """The next that the server tells: first the process, then how it ended."""
    said = b""
    while not said.endswith(b"\n"):
        more = connection.recv(1)
        if not more:
            raise EOFError("the process to fork from has ended")
        said += more
    return int(said)


def _text(data: bytes) -> str:
    """Bytes for JSON, in whatever locale either side is."""
    return data.decode("latin-1")


@dataclass
class _Request:
    connection: socket.socket
    here: int
    given: list[int]
    message: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def read(connection: socket.socket) -> _Request:
        _, (here, *given), _, _ = socket.recv_fds(connection, 1, 4)
        with connection.makefile("rb") as stream:
            return _Request(connection, here, given, json.loads(stream.readline()))

    def close(self) -> None:
        for fd in (self.here, *self.given):
            os.close(fd)

    def become(self) -> None:
        """Make this process the one that was asked for."""
        os.fchdir(self.here)
        for number in range(3):
            if number in self.message["fds"]:
                os.dup2(self.given[self.message["fds"].index(number)], number)
            else:
                os.close(number)
        self.close()
        os.environ.clear()
        os.environb.update(
            {k.encode("latin-1"): v.encode("latin-1") for k, v in self.message["env"].items()}
        )
        for limit, values in zip(LIMITS, self.message["limits"], strict=True):
            resource.setrlimit(limit, tuple(values))
        args = [os.fsdecode(arg.encode("latin-1")) for arg in self.message["args"]]
        sys.argv[:] = ["-c" if self.message["code"] else "cellam", *args]
        # Python gives these to a process that it starts; the encoding is that of the locale.
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            stream = getattr(sys, name)
            if number not in self.message["fds"]:
                new = None
            elif number == 0:
                new = open(0, encoding=stream.encoding, errors=stream.errors, closefd=False)  # noqa: SIM115
            else:
                new = open(  # noqa: SIM115
                    number,
                    "w",
                    buffering=1 if number == 2 else -1,
                    encoding=stream.encoding,
                    errors=stream.errors,
                    closefd=False,
                )
            setattr(sys, name, new)
            setattr(sys, f"__{name}__", new)


# The side that forks ------------------------------------------------------------------------


def serve(path: str) -> _Request | None:
    """Fork for every request; returns in what was forked, or without a request at the end."""
    import anndata
    import matplotlib.figure
    import ot
    import scanpy
    import torch
    import torch._dynamo  # which the first optimiser loads, in a second and a half

    import cellam
    import cellam.workflows.fit
    import cellam_cli.app

    cellam.fit  # noqa: B018  # loaded when it is asked for
    del anndata, matplotlib, ot, scanpy, torch, cellam_cli
    gc.collect()
    gc.freeze()  # or else what was forked looks through, and copies, all that was loaded

    lost, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    sys.stdout.buffer.write(b"ready\n")
    sys.stdout.flush()
    running: dict[int, socket.socket] = {}
    while True:
        ready = select.select([0, lost, listener], [], [])[0]
        if lost in ready:
            os.read(lost, 1_000)
            for pid in list(running):
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    _tell(running.pop(pid), os.waitstatus_to_exitcode(status), last=True)
        if listener in ready:
            request = _Request.read(listener.accept()[0])
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for one in (listener, request.connection, *running.values()):
                    one.close()
                os.close(lost)
                os.close(woken)
                return request
            request.close()
            running[pid] = request.connection
            _tell(request.connection, pid)
        if 0 in ready:
            for pid in running:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            return None


def _tell(connection: socket.socket, number: int, *, last: bool = False) -> None:
    try:
        connection.sendall(b"%d\n" % number)
    except BrokenPipeError:  # whoever asked has gone
        pass
    finally:
        if last:
            connection.close()


def _run(path: str, args: list[str]) -> None:
    """Stand for `cellam` in a shell: with its streams, its end, and its death by a signal."""
    connection, _ = _ask(path, args, {fd: fd for fd in range(3) if _is_open(fd)})
    code = _number(connection)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    if sys.argv[1] == "run":
        _run(sys.argv[2], sys.argv[3:])
    else:
        asked = serve(sys.argv[2])
        if asked is not None:
            asked.become()
            if asked.message["code"]:
                exec(asked.message["code"], {"__name__": "__main__"})
            else:
                runpy.run_module("cellam", run_name="__main__", alter_sys=True)
