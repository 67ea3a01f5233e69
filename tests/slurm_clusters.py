"""Slurm on this machine's loopback for tests: controllers, REST servers and nodes of their own."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "slurmrestd", "scontrol", "munged")
PATH = os.environ.get("PATH", "") + ":/usr/sbin"
CONF = """\
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={folder}/jwt.key
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
MpiDefault=none
SlurmdParameters=config_overrides
GresTypes=gpu
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def lacking():
    """Return why Slurm cannot be had here, or ""."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if missing:
        return f"{missing[0]} is not installed"
    return "" if os.geteuid() == 0 else "Slurm's daemons need root"


class Cluster:
    """A running cluster: nodes with `count` accelerators of a kind each."""

    def __init__(self, folder, name, nodes, kind, count):
        self.folder, self.name = folder / name, name
        self.folder.mkdir(parents=True)
        for path in (self.folder, *self.folder.parents):  # the REST server is another user
            if path.owner() == "root" and path != Path("/"):
                path.chmod(path.stat().st_mode | 0o055)
        (self.folder / "state").mkdir()
        key = self.folder / "jwt.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(32))
        host, ports = socket.gethostname().partition(".")[0], _ports(nodes + 2)
        lines = [
            f"NodeName=n{k + 1} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1 + k]} CPUs=64 "
            f"RealMemory=64000 Gres=gpu:{kind}:{count} State=UNKNOWN"
            for k in range(nodes)
        ]
        values = {"host": host, "ports": ports, "folder": self.folder, "name": name}
        (self.folder / "slurm.conf").write_text(CONF.format(nodes="\n".join(lines), **values))
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
        for k in range(count):  # accelerators need device files, and empty ones are enough
            (self.folder / f"gpu{k}").touch()
        files = f"File={self.folder}/gpu[0-{count - 1}]"
        (self.folder / "gres.conf").write_text(f"Name=gpu Type={kind} {files}\n")
        self.env = {**os.environ, "PATH": PATH, "SLURM_CONF": str(self.folder / "slurm.conf")}
        self.url = f"http://127.0.0.1:{ports[-1]}/slurm/v0.0.42"
        self.processes = {}
        _munge()
        try:
            self._start(nodes, ports[-1])
        except BaseException:
            self.stop()
            raise

    def _start(self, nodes, port):
        self.controller()
        for k in range(nodes):
            self.node(f"n{k + 1}")
        rest = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        rest += ["slurmrestd", "-a", "rest_auth/jwt", "-s", "slurmctld", "-d", "v0.0.42"]
        self.run("slurmrestd", [*rest, f"127.0.0.1:{port}"], SLURM_JWT="daemon")
        self.wait(lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T"), "nodes that are idle")
        self.token = self.ask("scontrol", "token", "lifespan=3600").strip()

    def run(self, name, command, **env):
        log = (self.folder / f"{name}.out").open("ab")
        with log:
            self.processes[name] = subprocess.Popen(
                command, env=self.env | env, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def controller(self):
        """Start the controller, the first time or again."""
        self.run("slurmctld", ["slurmctld", "-D"])
        self.wait(lambda: "UP" in self.ask("scontrol", "ping"), "a controller that answers")

    def node(self, name):
        self.run(name, ["slurmd", "-D", "-N", name])

    def stop(self, *names):
        """End some processes, all by default: a daemon that does not end when asked is killed."""
        ending = [self.processes.pop(name) for name in names or tuple(self.processes)]
        for process in ending:
            process.terminate()
        for process in ending:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ask(self, *command):
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        return done.stdout

    def wait(self, ready, what):
        end = time.monotonic() + 30
        while not ready():
            assert time.monotonic() < end, f"{self.name}: found no {what} in 30 s: {self.folder}"
            time.sleep(0.1)


def _munge():
    """Start munged as its own user, where none runs: it authenticates Slurm's daemons."""
    if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
        return
    user, key = pwd.getpwnam("munge"), Path("/etc/munge/munge.key")
    if not key.exists():
        key.parent.mkdir(exist_ok=True)
        key.touch(mode=0o400)
        key.write_bytes(os.urandom(1024))
    for path in (key.parent, Path("/run/munge"), Path("/var/log/munge"), Path("/var/lib/munge")):
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, user.pw_uid, user.pw_gid)
        path.chmod(0o755)
    os.chown(key, user.pw_uid, user.pw_gid)
    command = ["setpriv", "--reuid", "munge", "--regid", "munge", "--clear-groups", "munged"]
    subprocess.run(command, env={**os.environ, "PATH": PATH}, check=True, capture_output=True)


def _ports(count):
    """Return free ports of the loopback."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
