#!/usr/bin/env bash
set -euo pipefail
umask 0002
case "${1:-bash}" in
    bash | python) exec "$@" ;;
    airflow) shift ;;
esac
exec airflow "$@"
