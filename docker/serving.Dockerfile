# The serving app alone: no Django, no database driver, nothing of the control plane.
# Build from the repository's root: docker build -f docker/serving.Dockerfile -t plumbline-serving .

FROM python:3.12.8-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements/serving.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --require-hashes --only-binary=:all: -r /tmp/requirements.txt

FROM python:3.12.8-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SERVING_CACHE=/var/cache/plumbline \
    PREDICTIONS_DIR=/var/lib/plumbline/predictions
# The same number as in the control plane's image, which reads the prediction log.
RUN groupadd --gid 10001 plumbline \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/plumbline --shell /usr/sbin/nologin plumbline \
    && install -d -o plumbline -g plumbline /var/cache/plumbline /var/lib/plumbline \
        /var/lib/plumbline/artifacts /var/lib/plumbline/predictions
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/plumbline
COPY LICENSE ./
COPY telemetry telemetry
COPY serving serving
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# Prometheus scrapes each replica by the name that it announces; a container's own name is known to the others.
CMD ["sh", "-c", "exec python -m serving --host 0.0.0.0 --port 8000 --advertise \"${SERVING_ADVERTISE:-$(hostname):8000}\""]
