# One image for every role: PAYOPS_ROLE says whether a container serves, moves money, or both.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
WORKDIR /build
COPY requirements/bootstrap.txt requirements/runtime.txt requirements/
RUN pip install --require-hashes --requirement requirements/bootstrap.txt \
    && python -m venv --without-pip /opt/payops \
    && uv pip install --python /opt/payops/bin/python --require-hashes --requirement requirements/runtime.txt
COPY pyproject.toml LICENSE alembic.ini ./
COPY src src
COPY migrations migrations
RUN python -m hatchling build --target wheel --directory wheel \
    && uv pip install --python /opt/payops/bin/python --no-deps wheel/*.whl

FROM python:${PYTHON}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin payops
COPY --from=build /opt/payops /opt/payops
ENV PATH=/opt/payops/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PAYOPS_HOST=0.0.0.0 \
    PAYOPS_PORT=8000
WORKDIR /tmp
USER payops
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['PAYOPS_PORT']}/livez\", timeout=2)"]
ENTRYPOINT ["payops"]
CMD ["serve"]
