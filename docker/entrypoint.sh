#!/bin/sh
# demo | train ARGUMENTS | evaluate ARGUMENTS | data-prep ARGUMENTS
set -eu
command=${1:-demo}
[ "$#" -eq 0 ] || shift
case $command in
  demo)
    # A shell that is process 1 ignores signals that it does not trap.
    trap 'kill -TERM $!; wait $!; exit' TERM INT
    python train.py distorted-digits --resume &
    wait $!
    exec python evaluate.py distorted-digits
    ;;
  train) exec python train.py "$@" ;;
  evaluate) exec python evaluate.py "$@" ;;
  data-prep) exec python -m data_prep "$@" ;;
  *)
    echo "expected demo, train, evaluate or data-prep, got $command" >&2
    exit 2
    ;;
esac
