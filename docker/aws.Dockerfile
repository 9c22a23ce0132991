# The local AWS: the emulator and, for Glue jobs, Spark with its Java, both made by the repository's own set-up.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE}
RUN useradd --create-home --uid 1000 lake && install -d -o lake -g lake /opt/b3 /opt/b3/docker /var/lib/b3 && \
    install -d -o lake -g lake -m 750 /var/lib/b3-key
USER lake
WORKDIR /opt/b3
ENV PYTHONPATH=/opt/b3
COPY --chown=lake infra/__init__.py infra/checkout.py infra/
COPY --chown=lake local/__init__.py local/setup.py local/
COPY --chown=lake local/aws/ local/aws/
COPY --chown=lake local/processes/ local/processes/
# The secret is a certificate bundle for networks that need one of their own; it does not stay in the image.
RUN --mount=type=secret,id=ca,mode=0444 \
    --mount=type=cache,target=/home/lake/.cache,uid=1000,gid=1000 \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca SSL_CERT_FILE=/run/secrets/ca; fi; \
    UV_LINK_MODE=copy python3 -m local.setup aws spark && rm -rf .venv-uv
COPY --chown=lake docker/aws_service.py docker/
CMD [".venv-aws/bin/python", "docker/aws_service.py"]
