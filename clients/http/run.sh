#!/usr/bin/env bash
# schemathesis against the served OpenAPI document of the real binary: no server error, and no answer that
# contradicts the document. First on an empty ledger, then on the order system and its data.
#
#   clients/http/run.sh [EXAMPLES]     from the repository's root; `make schemathesis EXAMPLES=500` for more
#
# One check is left out: positive_data_acceptance. A request can fit its schema and be refused for what the
# ledger holds (a name that is taken, a position beyond the head), and JSON Schema takes 7.0 for an integer.
set -euo pipefail
examples=${1:-10}
venv=target/schemathesis
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

[ -x $venv/bin/schemathesis ] || python3 -m venv $venv
$venv/bin/pip install --quiet --disable-pip-version-check -r clients/http/requirements.txt

against() {
  target/debug/factum serve --listen 127.0.0.1:0 --json "$@" > "$work/said" 2> "$work/log" &
  server=$!
  for _ in $(seq 600); do [ -s "$work/said" ] && break; sleep 0.1; done
  url=$($venv/bin/python -c 'import json, sys; print(json.load(open(sys.argv[1]))["url"])' "$work/said")
  $venv/bin/python - "$url" <<'PYTHON'
import json, sys, urllib.request
from openapi_spec_validator import validate
document = json.load(urllib.request.urlopen(sys.argv[1] + "/openapi.json"))
validate(document)
print(f"the document is valid OpenAPI {document['openapi']}, {len(document['paths'])} paths")
PYTHON
  (cd "$work" && "$OLDPWD/$venv/bin/schemathesis" run "$url/openapi.json" --no-color --seed 1 \
    --checks all --exclude-checks positive_data_acceptance \
    --max-examples "$examples" --request-timeout 10)
  kill "$server" && wait "$server" || true
  server=
}

mkdir "$work/backups"
against --dir "$work/empty" --set backup_dir="$work/backups"
against --dir "$work/demo" --demo
