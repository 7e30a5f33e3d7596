"""An endpoint that does nothing, served like payops: what the framework alone can do.

``python -m bench.empty PORT``.
"""

import sys

import uvicorn
from fastapi import FastAPI
from starlette.responses import Response

from payops.cli.serving import bind

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/readyz")
async def readyz() -> Response:
    return Response()


@app.post("/api/withdrawals/mpesa", status_code=202)
async def nothing() -> Response:
    return Response(b"{}", 202, media_type="application/json")


def main() -> None:
    config = uvicorn.Config(
        app, log_config=None, access_log=False, proxy_headers=False, server_header=False
    )
    uvicorn.Server(config).run(sockets=[bind("127.0.0.1", int(sys.argv[1]))])


if __name__ == "__main__":
    main()
