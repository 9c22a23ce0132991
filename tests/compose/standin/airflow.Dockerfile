# Stands for the official Airflow image: its user, its folders, its environment in ~/.local, its entry point.
FROM standin-airflow-python
RUN useradd --uid 50000 --gid 0 --create-home airflow && install -d -o airflow -g 0 -m 775 /opt/airflow
ENV AIRFLOW_HOME=/opt/airflow PATH=/home/airflow/.local/bin:/usr/local/bin:/usr/bin:/bin
USER airflow
WORKDIR /opt/airflow
COPY constraints.txt /tmp/constraints.txt
RUN --mount=type=secret,id=ca,mode=0444 \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca SSL_CERT_FILE=/run/secrets/ca; fi; \
    python3.12 -m venv ~/.local && pip install --quiet --no-cache-dir uv \
    && uv pip install --quiet --no-cache --compile-bytecode --python ~/.local/bin/python \
    --constraint /tmp/constraints.txt apache-airflow[postgres] apache-airflow-providers-amazon
COPY airflow-entrypoint.sh /entrypoint
ENTRYPOINT ["dumb-init", "--", "bash", "/entrypoint"]
