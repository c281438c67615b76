# Muniment in a container: docs/operations.md, "Container". A host with an engine builds it by
# `docker build --tag muniment .`; `make container` tries the same steps in a Debian without one.

FROM debian:bookworm-slim AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir "uv>=0.9,<1"
COPY . .
# The versions of uv.lock, with all modules compiled: the user of the container may write none.
ENV UV_PROJECT_ENVIRONMENT=/opt/muniment UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1
RUN /opt/uv/bin/uv sync --frozen --no-dev --no-editable --no-cache --python /usr/bin/python3

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 muniment \
    && useradd --system --uid 10001 --gid muniment --home-dir /var/lib/muniment \
        --shell /usr/sbin/nologin muniment \
    && install -d -o root -g muniment -m 750 /etc/muniment \
    && install -d -o muniment -g muniment -m 700 /var/lib/muniment
COPY --from=build /opt/muniment /opt/muniment
ENV PATH=/opt/muniment/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER 10001:10001
WORKDIR /var/lib/muniment
VOLUME ["/var/lib/muniment"]
# For servers and operators, and for users; both listen on loopback unless the configuration differs.
EXPOSE 5281 5282
# Whether the program runs. It also does so while ejabberd is away, and connects again.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:5281/health/live', timeout=5)"]
ENTRYPOINT ["muniment"]
CMD ["serve"]
