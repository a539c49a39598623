#!/bin/sh
# Follow one job over HTTP until it ends: sh with_curl.sh JOB [LAST-EVENT-ID]
curl --no-buffer --silent --show-error --fail --header "Last-Event-ID: ${2:-}" \
  "http://${LORABUS_HTTP_ADDR:-127.0.0.1:8080}/v1/jobs/$1/events/stream"
