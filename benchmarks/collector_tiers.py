"""What the two tiers of `deploy/` take: an agent that spreads traces, gateways that mask and sample.

    PYTHONPATH=tests .venv/bin/python benchmarks/collector_tiers.py --collector PATH

The OTLP requests of the varied traffic (`varied.py`) go to `deploy/agent.yaml`, from there to two of
`deploy/gateway.yaml`, and, all of them kept, to a receiver that throws them away. CPU is that of each
process from its start to its end. Trace ids repeat, as the requests do: tail sampling decides on fewer
traces than it would have.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from collector_rate import Sink, send
from sizes import captured

from deployment.serving import free_port, listens, wait_for

DEPLOY = Path(__file__).parent.parent / "deploy"


class Tier:
    """A Collector with a configuration of ours, and the ports it was given."""

    def __init__(self, collector: Path, name: str, folder: Path, environ: dict[str, str]) -> None:
        folder.mkdir()
        self.name = name
        self.ports = {each: free_port() for each in ("GRPC_PORT", "HTTP_PORT", "HEALTH_PORT", "METRICS_PORT")}
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [collector, "--config", DEPLOY / f"{name}.yaml"],
                cwd=folder,
                env={**os.environ, **{each: str(port) for each, port in self.ports.items()}, **environ},
                stdout=log,
                stderr=log,
            )
        wait_for(lambda: listens(self.ports["HEALTH_PORT"]), self._log.read_text)
        wait_for(lambda: listens(self.ports["GRPC_PORT"]), self._log.read_text)

    def metric(self, name: str) -> float:
        """The sum of one of its own metrics."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.ports['METRICS_PORT']}/metrics", timeout=30
        ) as page:
            lines = page.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def stop(self) -> tuple[float, float]:
        """Seconds of CPU it took, its largest memory in MB."""
        self._process.terminate()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--collector", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--times", type=int, default=10)
    arguments = parser.parse_args()
    batches = [body for chunk in captured(arguments.requests) for body in chunk]
    count = arguments.requests * arguments.times
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sink = stack.enter_context(Sink())
        gateways = []
        for number in (1, 2):
            environ = {"BACKEND_ENDPOINT": sink.url, "BASELINE_PERCENT": "100", "DECISION_WAIT": "2s"}
            gateways.append(Tier(arguments.collector, "gateway", folder / f"gateway-{number}", environ))
            stack.callback(gateways[-1].kill)
        environ = {
            f"GATEWAY_{number}": f"127.0.0.1:{each.ports['GRPC_PORT']}"
            for number, each in enumerate(gateways, 1)
        }
        agent = Tier(arguments.collector, "agent", folder / "agent", environ)
        stack.callback(agent.kill)
        send(agent.ports["HTTP_PORT"], batches, arguments.times)
        wait_for(
            lambda: sum(each.metric("otelcol_exporter_sent_spans") for each in gateways) >= 2 * count,
            lambda: [each.metric("otelcol_exporter_sent_spans") for each in (agent, *gateways)],
            600,
        )
        print(f"{count} exchanges\n\n| | CPU us an exchange | largest memory, MB |\n|---|---|---|")
        cpu, memory = agent.stop()
        print(f"| agent | {cpu / count * 1e6:.0f} | {memory:.0f} |")
        ends = [each.stop() for each in gateways]
        cpu, memory = sum(each[0] for each in ends), max(each[1] for each in ends)
        print(f"| gateways, both | {cpu / count * 1e6:.0f} | {memory:.0f} |")
        print(f"\n{sink.received / count:,.0f} bytes to the backend each")


if __name__ == "__main__":
    main()
