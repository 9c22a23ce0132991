#!/usr/bin/env bash
# Before Airflow's components start: the metadata database, and keys that they share and nobody else has.
set -euo pipefail
cd /usr/local/airflow/keys
umask 077
for name in api jwt fernet; do
    # A Fernet key is 32 bytes in URL-safe base64; the others take any text.
    [ -s "$name" ] || python -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())' > "$name.part"
    [ -s "$name" ] || mv "$name.part" "$name"
done
exec airflow db migrate
