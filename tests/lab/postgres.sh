#!/bin/sh
# The first process of shared-postgres: a fresh PostgreSQL with the runbook's databases.
set -eu
data=/var/lib/postgresql/data
export LC_ALL=C.UTF-8 PGHOST=/var/run/postgresql PGUSER=postgres

if [ ! -s $data/PG_VERSION ]; then
    initdb -D $data --username=postgres --auth=trust --encoding=UTF8 --no-sync
    cat >>$data/postgresql.conf <<-EOF
	listen_addresses = '*'
	unix_socket_directories = '/var/run/postgresql'
	shared_buffers = 32MB
	fsync = off
	log_min_duration_statement = 500
	EOF
    cat >$data/pg_hba.conf <<-EOF
	# TYPE  DATABASE  USER      ADDRESS  METHOD
	local   all       all                trust
	host    all       all       127.0.0.1/32  trust
	host    all       all       ::1/128  trust
	host    all       hemma_top all      trust
	host    all       all       all      scram-sha-256
	EOF
    # The databases are made by a server that nobody else can reach yet, as the official image
    # does it: whoever gets through finds all of them.
    pg_ctl -D $data -o "-c listen_addresses=''" -w -s start
    {
        echo "ALTER USER postgres PASSWORD 'lab-postgres';"
        echo "CREATE USER huleedu_user PASSWORD 'lab-huleedu';"
        echo "CREATE USER skriptoteket PASSWORD 'lab-skriptoteket';"
        echo "CREATE USER hemma_top IN ROLE pg_monitor;" # may look, not touch
        echo "CREATE DATABASE skriptoteket OWNER skriptoteket STRATEGY file_copy;"
        for name in $DATABASES; do
            echo "CREATE DATABASE $name STRATEGY file_copy;"
            echo "GRANT ALL PRIVILEGES ON DATABASE $name TO huleedu_user;"
        done
    } | psql -q -v ON_ERROR_STOP=1
    pg_ctl -D $data -m fast -w -s stop
fi
exec postgres -D $data
