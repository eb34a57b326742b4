#!/bin/sh
# Two workers by hand. Run on each machine: sh two_workers.sh NUMBER HOST0 HOST1 [tfmlm train flags]
# NUMBER is 0 on the first machine and 1 on the second; HOST0 and HOST1 are addresses host:port.
set -eu
number=$1 first=$2 second=$3
shift 3
export TF_CONFIG='{"cluster": {"worker": ["'"$first"'", "'"$second"'"]}, "task": {"type": "worker", "index": '"$number"'}}'
exec tfmlm train --strategy multi_worker "$@"
