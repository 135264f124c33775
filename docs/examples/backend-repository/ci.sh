#!/usr/bin/env bash
# What CI runs: client and kit in an environment each, then the suites. Arguments go to `tgi-conformance run`.
# KIT is what pip installs the kit from: a requirement, a wheel or a folder.
set -euo pipefail
cd "$(dirname "$0")"

environments=$(mktemp -d)
trap 'rm -rf "$environments"' EXIT
python3 -m venv "$environments/client"
"$environments/client/bin/pip" install --quiet .
python3 -m venv "$environments/kit"
"$environments/kit/bin/pip" install --quiet "${KIT:-tgi-conformance}"

"$environments/kit/bin/tgi-conformance" run --backend conformance_adapter:Adapter \
  --backend-python "$environments/client/bin/python" "$@"
