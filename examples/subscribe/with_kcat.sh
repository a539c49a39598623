#!/bin/sh
# Print what has happened to one job: sh with_kcat.sh JOB. Without -e it goes on as things happen.
kcat -C -q -e -b "${LORABUS_KAFKA:-127.0.0.1:9092}" -t tuning.events.v1 -f '%k\t%h\t%s\n' | grep "^$1	"
