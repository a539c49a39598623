# Publishes adapters as OCI images.
# From the root: docker build -f deploy/docker/publisher.Dockerfile .
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/lorabus
# Packages first: they change far less often than the code.
COPY requirements/publisher.txt requirements/
RUN /opt/lorabus/bin/pip install --no-cache-dir --require-hashes -r requirements/publisher.txt
COPY pyproject.toml README.md ./
COPY lorabus lorabus
COPY schemas schemas
COPY services services
COPY deploy deploy
RUN /opt/lorabus/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --uid 10001 --home-dir /var/lib/lorabus lorabus \
    && install -d -o lorabus -g lorabus /var/lib/lorabus /var/lib/lorabus/volumes
COPY --from=build /opt/lorabus /opt/lorabus
ENV PATH=/opt/lorabus/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LORABUS_HOME=/var/lib/lorabus \
    LORABUS_HEALTH_ADDR=127.0.0.1:8081
USER 10001
WORKDIR /var/lib/lorabus
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8081/healthz', timeout=4)"]
CMD ["lorabus", "serve", "publisher"]
