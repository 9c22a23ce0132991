# Airflow as the official image has it, laid out as on MWAA, with what MWAA would install from requirements.txt.
ARG AIRFLOW_IMAGE=apache/airflow:3.3.1-python3.12
FROM ${AIRFLOW_IMAGE} AS airflow
ARG AIRFLOW_VERSION=3.3.1
ENV AIRFLOW_HOME=/usr/local/airflow
USER root
RUN install -d -o airflow -g 0 -m 775 $AIRFLOW_HOME $AIRFLOW_HOME/dags $AIRFLOW_HOME/logs $AIRFLOW_HOME/keys
USER airflow
WORKDIR $AIRFLOW_HOME
# Where requirements.txt, as on MWAA, looks for it.
COPY constraints.txt dags/constraints.txt
COPY requirements.txt requirements.txt
# The secret is a certificate bundle for networks that need one of their own; it does not stay in the image.
RUN --mount=type=secret,id=ca,mode=0444 \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    pip install --no-cache-dir "apache-airflow[postgres]==$AIRFLOW_VERSION" \
    "apache-airflow-providers-amazon[aiobotocore]" --requirement requirements.txt
COPY docker/health.py docker/migrate.sh /opt/

# The same with the code in it, for a lake on AWS where nothing can be mounted, such as ECS.
FROM airflow AS lake
COPY --chown=airflow:0 plugins/ plugins/
COPY --chown=airflow:0 include/ dags/include/
# Without the link dags/include, see .dockerignore.
COPY --chown=airflow:0 dags/ dags/
COPY --chown=airflow:0 infra/ /opt/b3/infra/
COPY --chown=airflow:0 local/ /opt/b3/local/
COPY --chown=airflow:0 docker/on_account.py /opt/b3/docker/
ENTRYPOINT ["dumb-init", "--", "python", "/opt/b3/docker/on_account.py"]
