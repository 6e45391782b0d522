"""The servers: each in a new folder under /tmp, on a free port of the loopback, with a password.

Debian's and Ubuntu's packages have the programs. Run by root, the databases run as the users
those packages make: they refuse to be root.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final

PASSWORD: Final = "s3rvice-pa55"
USER: Final = "spantap"

_START_SECONDS: Final = 120.0  # the machine may be busy
_STOP_SECONDS: Final = 30.0
_PATH: Final = os.pathsep.join(
    [
        *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True),
        "/usr/sbin",
        os.environ.get("PATH", ""),
    ]
)


class Server:
    """One server; started, killed and started again it keeps its folder and port. For one thread.

    Use it as a context manager, or call `start` and `remove`.

    Attributes:
        name: of the product.
        variable: the environment variable that names the shared one's URL.
        package: what `apt-get install` calls it.
        programs: what it needs of that.
        url: as SQLAlchemy and redis-py read it, with user and password.
    """

    name: str
    variable: str
    package: str
    programs: tuple[str, ...]
    runs_as: str | None = None  # when we are root
    kill_with = signal.SIGKILL
    stop_with = signal.SIGTERM

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @classmethod
    def missing(cls) -> list[str]:
        """The programs that are not on this machine."""
        return [each for each in cls.programs if shutil.which(each, path=_PATH) is None]

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """Where its data, its socket and its log are."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="spantap-", dir="/tmp"))
            user = self._user()
            if user is not None:
                shutil.chown(self._folder, user, user)
        return self._folder

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def start(self) -> None:
        """Start it, anew if need be, and wait until it answers.

        Raises:
            RuntimeError: it ended, or does not answer; the message has the end of its log.
        """
        data = self.folder / "data"
        if not data.exists():
            self.prepare(data)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program(self.programs[0]), *self.arguments(data)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for us, not for it
                user=self._user(),
                group=self._user(),
                extra_groups=[] if self._user() else None,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text(errors="replace")[-2000:]
                self.kill()
                raise RuntimeError(f"{self.name} does not start:\n{said}")
            time.sleep(0.05)

    def prepare(self, data: Path) -> None:
        """Make what it needs before it starts the first time."""
        raise NotImplementedError

    def arguments(self, data: Path) -> list[str]:
        """Its command line, without the program."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it takes commands."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it in an orderly way."""
        self._end(self.stop_with)

    def kill(self) -> None:
        """End it without giving it time."""
        self._end(self.kill_with)

    def pause(self) -> None:
        """Let it take connections and never answer, until `resume` (PostgreSQL: new ones only)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """End it and remove its folder."""
        self._end(self.kill_with)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _user(self) -> str | None:
        return self.runs_as if os.getuid() == 0 else None

    def _run(self, program: str, *arguments: str) -> bool:
        """Run a program to its end; whether it went well."""
        done = subprocess.run(
            [_program(program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.folder,
            user=self._user(),
            group=self._user(),
            extra_groups=[] if self._user() else None,
            check=False,
        )
        with (self.folder / "log").open("ab") as log:
            log.write(done.stdout + done.stderr)
        return done.returncode == 0

    def _says(self, sent: bytes, wanted: bytes) -> bool:
        """Whether who listens there answers so."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.settimeout(5)
                connection.sendall(sent)
                return wanted in connection.recv(1000)
        except OSError:
            return False


class PostgreSQL(Server):
    """PostgreSQL; its data are not worth an fsync."""

    name = "PostgreSQL"
    variable = "SPANTAP_TEST_POSTGRESQL"
    package = "postgresql"
    programs = ("postgres", "initdb")
    runs_as = "postgres"
    stop_with = signal.SIGINT
    # SIGKILL would leave its children to find out, and the next start to wait for them.
    kill_with = signal.SIGQUIT

    @property
    def url(self) -> str:
        """To the database that is always there."""
        return f"postgresql+psycopg://{USER}:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def prepare(self, data: Path) -> None:
        """Make the cluster."""
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        with_password = (f"--username={USER}", f"--pwfile={password}", "--auth=scram-sha-256")
        if not self._run(
            "initdb", f"--pgdata={data}", *with_password, "--encoding=UTF8", "--locale=C", "--no-sync"
        ):
            raise RuntimeError(f"initdb failed:\n{(self.folder / 'log').read_text()[-2000:]}")

    def arguments(self, data: Path) -> list[str]:
        """On the loopback, its socket beside the data."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "shared_buffers": "32MB",
            "max_connections": 200,
        }
        return [
            "-D",
            str(data),
            *(part for each in options.items() for part in ("-c", "{}={}".format(*each))),
        ]

    def answers(self) -> bool:
        """While it starts or recovers it turns everybody away (57P03); else it asks who we are."""
        start = b"\0\x03\0\0user\0" + USER.encode() + b"\0\0"
        return self._says((len(start) + 4).to_bytes(4, "big") + start, b"SCRAM")


class MariaDB(Server):
    """MariaDB."""

    name = "MariaDB"
    variable = "SPANTAP_TEST_MARIADB"
    package = "mariadb-server"
    programs = ("mariadbd", "mariadb-install-db")
    runs_as = "mysql"

    @property
    def url(self) -> str:
        """To the database that is always there."""
        return f"mysql+pymysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/spantap?charset=utf8mb4"

    def prepare(self, data: Path) -> None:
        """Make the system tables, and what makes our user at each start."""
        (self.folder / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS spantap CHARACTER SET utf8mb4;\n"
            f"CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        (self.folder / "init.sql").chmod(0o644)
        new = ("--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal")
        if not self._run("mariadb-install-db", *new, "--skip-test-db"):
            raise RuntimeError(f"mariadb-install-db failed:\n{(self.folder / 'log').read_text()[-2000:]}")

    def arguments(self, data: Path) -> list[str]:
        """On the loopback, its socket beside the data."""
        return [
            "--no-defaults",
            f"--datadir={data}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--init-file={self.folder / 'init.sql'}",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=32M",
            "--max-connections=200",
        ]

    def answers(self) -> bool:
        """It greets whoever connects, once its init file is done."""
        return self._says(b"", b"mysql_native_password")


class Redis(Server):
    """Redis; it writes every command to its file, so that it has all when it comes back."""

    name = "Redis"
    variable = "SPANTAP_TEST_REDIS"
    package = "redis-server"
    programs = ("redis-server",)

    @property
    def url(self) -> str:
        """To its first database."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def prepare(self, data: Path) -> None:
        """An empty folder will do."""
        data.mkdir()

    def arguments(self, data: Path) -> list[str]:
        """On the loopback."""
        options = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": data,
            "save": "",
            "appendonly": "yes",
            "requirepass": PASSWORD,
            "databases": 1000,
        }
        return [part for name, value in options.items() for part in (f"--{name}", str(value))]

    def answers(self) -> bool:
        """While it reads its file it says LOADING."""
        return self._says(f"AUTH {PASSWORD}\r\nPING\r\n".encode(), b"+PONG")


KINDS: Final[tuple[type[Server], ...]] = (PostgreSQL, MariaDB, Redis)


def free_port() -> int:
    """A port of the loopback nobody listens on, below those that systems give to clients.

    Of those, one could be taken while the server is down between two starts.
    """
    while True:
        port = random.randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise RuntimeError(f"there is no program {name} on this machine")
    return found
