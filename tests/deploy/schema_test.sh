#!/usr/bin/env bash
# Validates what kustomize renders against the strict schemas (unknown fields
# are errors) of three Kubernetes versions, which PyPI's kubernetes-validate
# contains.
#
#   schema_test.sh SOURCE_DIR SCRATCH_DIR      exits 77 if it was skipped
set -euo pipefail
source_dir=$1
scratch=$2
skip() { echo "SCHEMAS ARE NOT TESTED: $1"; exit 77; }

kubectl=$source_dir/tests/deploy/kubectl
why=$("$kubectl" version --client 2>&1) || skip "$why"
validate=$scratch/venv/bin/kubernetes-validate
if [[ ! -x $validate ]]; then
  mkdir -p "$scratch"
  python3 -m venv "$scratch/venv" ||
    skip "python3 -m venv does not work here"
  timeout 200 "$scratch/venv/bin/pip" install -q --disable-pip-version-check \
    --retries 1 --timeout 20 kubernetes-validate==1.37.0 ||
    skip "kubernetes-validate cannot be installed from PyPI"
fi

for overlay in local local-tls gpu; do
  rendered=$scratch/$overlay.yaml
  "$kubectl" kustomize "$source_dir/deploy/kubernetes/overlays/$overlay" \
    >"$rendered"
  for version in 1.28 1.32 1.37; do
    "$validate" --strict --quiet -k "$version" "$rendered"
    echo "$overlay passes the schemas of Kubernetes $version"
  done
done

# The check can fail: it refuses a misspelt field.
sed 's/readOnlyRootFilesystem/readOnlyRootFileSystem/' \
  "$scratch/local.yaml" >"$scratch/wrong.yaml"
if "$validate" --strict --quiet "$scratch/wrong.yaml" >/dev/null 2>&1; then
  echo "error: an unknown field was accepted"
  exit 1
fi
