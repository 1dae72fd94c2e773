# syntax=docker/dockerfile:1
# One image for every process of a fleet; the command says which. `docker compose up` runs them all.
# Writes to /data and /tmp only, so the root file system may be read-only; runs as nobody in particular.

FROM python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore uv
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /src
RUN uv venv /opt/caseworker
# The libraries first, in a layer of their own that changes with the lock only.
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --python /opt/caseworker/bin/python --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY policies policies
COPY integrations integrations
COPY workers workers
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --python /opt/caseworker/bin/python --no-deps .

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 caseworker \
    && useradd --uid 10001 --gid caseworker --home-dir /data --no-create-home --shell /usr/sbin/nologin caseworker \
    && install --directory --owner caseworker --group caseworker --mode 0750 /data
COPY --from=build /opt/caseworker /opt/caseworker
ENV PATH=/opt/caseworker/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CASEWORKER_DATA=/data \
    CASEWORKER_LOG_FORMAT=json \
    CASEWORKER_METRICS_PORT=9464
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000 9464
# Every process shows a sign of life beside its metrics. It asks no database: a slow one must restart nothing.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "workers.telemetry.probe"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["caseworker"]
CMD ["--help"]
