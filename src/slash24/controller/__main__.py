"""`python -m slash24.controller`: the controller of any Kubernetes cluster."""

import argparse
import asyncio
import logging
from pathlib import Path

from slash24.controller.main import ControllerConfig, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m slash24.controller", description=__doc__)
    parser.add_argument("--server", required=True, help="URL of the Kubernetes API")
    parser.add_argument("--token-file", required=True, type=Path, help="file with the bearer token")
    parser.add_argument("--ca-file", default="", help="the API's certificate authority, PEM")
    given = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    asyncio.run(run(ControllerConfig(given.server, given.token_file.read_text().strip(), given.ca_file)))


if __name__ == "__main__":
    main()
