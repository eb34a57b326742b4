#!/usr/bin/env bash
# Fills masks through TensorFlow Serving's REST interface with curl alone.
#   examples/clients/curl.sh [http://localhost:8501/v1/models/mlm]
set -euo pipefail
model=${1:-http://localhost:8501/v1/models/mlm}

echo "# the export's number of candidates; row format"
curl -sS --fail-with-body "$model:predict" \
    -d '{"instances": ["Paris is the [MASK] of France."]}'
echo

echo "# another number for each text; column format"
curl -sS --fail-with-body "$model:predict" -d '{
  "signature_name": "fill_mask_top_k",
  "inputs": {"text": ["Paris is the [MASK] of France.", "[MASK] is a colour."], "top_k": [1, 3]}
}'
echo

echo "# only these words"
curl -sS --fail-with-body "$model:predict" -d '{
  "signature_name": "fill_mask_targets",
  "instances": [{"text": "Paris is the [MASK] of France.", "targets": ["capital", "heart"]}]
}'
echo
