"""`python -m slash24.agent`: the agent on a node of any Kubernetes cluster."""

import argparse
import asyncio
import logging
from pathlib import Path

from slash24.agent.main import AgentConfig, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m slash24.agent", description=__doc__)
    parser.add_argument("--server", required=True, help="URL of the Kubernetes API")
    parser.add_argument("--token-file", required=True, type=Path, help="file with the bearer token")
    parser.add_argument("--ca-file", default="", help="the API's certificate authority, PEM")
    parser.add_argument("--node-name", required=True, help="name of this node's Node object")
    parser.add_argument("--conf-dir", type=Path, default=Path("/etc/cni/net.d"), help="the runtime's CNI lists")
    parser.add_argument("--bin-dir", type=Path, default=Path("/opt/cni/bin"), help="the runtime's CNI plugins")
    parser.add_argument("--state-dir", type=Path, default=Path("/var/lib/slash24"), help="the lease store's folder")
    parser.add_argument("--run-dir", type=Path, default=Path("/run/slash24"), help="the socket's folder")
    parser.add_argument("--netns-dir", type=Path, default=Path("/run/netns"), help="the probe namespace's folder")
    given = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    config = AgentConfig(
        server=given.server,
        token=given.token_file.read_text().strip(),
        ca_file=given.ca_file,
        node_name=given.node_name,
        conf_dir=given.conf_dir,
        bin_dir=given.bin_dir,
        state_dir=given.state_dir,
        run_dir=given.run_dir,
        netns_dir=given.netns_dir,
    )
    asyncio.run(run(config))


if __name__ == "__main__":
    main()
