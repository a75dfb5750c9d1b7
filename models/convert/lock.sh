#!/bin/sh
# Writes requirements/convert.txt and requirements/tflite.txt anew (needs `uv` on the PATH).
# Neither belongs to the product's environment: the first holds TensorFlow, the second
# a runtime that needs numpy < 2 and stops at Python 3.11.
set -eu
cd "$(dirname "$0")/../.."
lock() { # lock NAME PYTHON REQUIREMENT...
    name=$1; python=$2; shift 2
    printf '%s\n' "$@" | uv pip compile - --quiet --universal --python-version "$python" \
        --generate-hashes --no-emit-index-url --no-header --no-annotate \
        --constraint requirements/constraints.txt --output-file "requirements/$name.txt"
}
lock convert 3.10 'tensorflow-cpu==2.21.0' 'ai-edge-litert>=2.0' 'msgspec>=0.19' \
    'opencv-python-headless>=4.10,<5'
lock tflite 3.10 'tflite-runtime==2.14.0' 'numpy<2' 'msgspec>=0.19'
