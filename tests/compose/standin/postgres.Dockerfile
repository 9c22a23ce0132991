# Stands for the official postgres image: its variables, its user, its data folder.
FROM standin-debian
ENV LANG=C.UTF-8 PGDATA=/var/lib/postgresql/data
RUN install -d -o postgres -g postgres -m 700 $PGDATA && install -d -o postgres -g postgres -m 2775 /var/run/postgresql \
    && for name in initdb postgres pg_ctl; do ln -s /usr/lib/postgresql/*/bin/$name /usr/local/bin/; done
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
STOPSIGNAL SIGINT
ENTRYPOINT ["bash", "/usr/local/bin/docker-entrypoint.sh"]
