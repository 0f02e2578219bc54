"""Runs programs in the sandbox, one a line, and says how each ended. Given the standard library and the sandbox."""

from __future__ import annotations

import json
import sys

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from twt_core.sandbox.canaries import escape
    from twt_core.sandbox.pool import Pool
    from twt_core.sandbox.program import Limits, Program, Snippet, Values

    pools: dict[tuple[str, bool], Pool] = {}
    for line in sys.stdin:
        job = json.loads(line)
        kind = (job["backend"], job["depth"])
        pool = pools[kind] = pools.get(kind) or Pool(*kind, size=1)
        if "source" in job:
            limits = Limits(seconds=job["seconds"])
            (answer,) = pool.answers(Program(job["source"], [Snippet("", (job["expression"],))], limits))
            given = isinstance(answer, Values)
            ended = {"value": repr(answer.values[0])} if given else {"verdict": answer.verdict, "detail": answer.detail}
            print(json.dumps(ended), flush=True)
        else:
            print(json.dumps({"escape": escape(pool)}), flush=True)
