"""Serve a GGUF file on loopback, OpenAI-compatible, until standard input ends. Prints the address.

python tests/serve_gguf.py MODEL.gguf
"""

from __future__ import annotations

import sys

from xllamacpp import CommonParams, Server


def main() -> None:
    params = CommonParams()
    params.model.path = sys.argv[1]
    params.n_parallel, params.n_ctx, params.port = 2, 2 * 1024, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # a waiting thread spins
    params.endpoint_metrics, params.warmup = True, False
    server = Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
