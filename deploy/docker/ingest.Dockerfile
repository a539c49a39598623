# Takes requests over HTTP and Kafka, and keeps each job's row.
# From the root: docker build -f deploy/docker/ingest.Dockerfile .
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/lorabus
# Packages first: they change far less often than the code.
COPY requirements/ingest.txt requirements/
RUN /opt/lorabus/bin/pip install --no-cache-dir --require-hashes -r requirements/ingest.txt
COPY pyproject.toml README.md ./
COPY lorabus lorabus
COPY schemas schemas
COPY services services
# The page that explains a job links to them.
COPY docs services/ingest/pages/docs
COPY deploy deploy
RUN /opt/lorabus/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --uid 10001 --home-dir /var/lib/lorabus lorabus \
    && install -d -o lorabus -g lorabus /var/lib/lorabus /var/lib/lorabus/volumes
COPY --from=build /opt/lorabus /opt/lorabus
ENV PATH=/opt/lorabus/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LORABUS_HOME=/var/lib/lorabus
USER 10001
WORKDIR /var/lib/lorabus
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
CMD ["lorabus", "serve", "ingest"]
